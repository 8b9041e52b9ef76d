"""Senders of single instances, as a process that may be killed at any moment.

    python crash_senders.py DATA SENDERS FOLDER

Each sender submits its share of the files of a folder, one after the other, and prints a line for each that is
acknowledged, after the answer: path, SOP Instance UID, storage key and status.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Status


def main(data: str, senders: int, folder: Path) -> None:
    """Send until all is answered; the exit code is 1 where something is refused."""
    files = sorted(folder.rglob("*.dcm"))
    refused = threading.Event()
    with Services.from_file(overrides={"data": data}) as services, Ingest(services) as ingest:

        def send(mine: Sequence[Path]) -> None:
            for path in mine:
                result = ingest.submit(Received(source=path, name=str(path)), tenant="local").result()
                if result.status is Status.REJECTED:
                    refused.set()
                else:
                    # One call: a line is written whole, or not at all.
                    os.write(1, f"{path} {result.sop_uid} {result.key} {result.status}\n".encode())

        threads = [threading.Thread(target=send, args=(files[number::senders],)) for number in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sys.exit(refused.is_set())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
