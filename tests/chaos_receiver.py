"""A receiver in queued mode with its sender, as a process that may be killed at any moment and started again.

    python chaos_receiver.py CONFIGURATION FOLDER JOURNAL

It sends the files of a folder, a few at a time, until each of them was acknowledged. The journal is the sender's
memory: one line for each file that was acknowledged, written only after the answer. A file without a line is sent
again, as a sender does whose connection broke.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from dicom_common.core import Origin
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Status

BATCH = 5
_PAUSE = 0.2


def journal_lines(journal: Path) -> list[str]:
    """Return the lines that were written to their end."""
    return journal.read_text().split("\n")[:-1] if journal.exists() else []


def main(configuration: Path, folder: Path, journal: Path) -> None:
    """Send all that is not in the journal yet."""
    written = journal_lines(journal)
    acknowledged = {line.split()[0] for line in written}
    waiting = [file for file in sorted(folder.iterdir()) if file.name not in acknowledged]
    with (
        Services.from_file(configuration) as services,
        Ingest(services) as ingest,
        journal.open("r+b" if journal.exists() else "w+b") as log,
    ):
        log.truncate(sum(len(line) + 1 for line in written))  # half a line of one that was killed is no acknowledgement
        log.seek(0, os.SEEK_END)
        while waiting:
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            received = [Received(source=file, name=file.name, origin=Origin(source="chaos")) for file in batch]
            refused = []
            for file, result in zip(batch, ingest.store(received, tenant="local"), strict=True):
                if result.status is not Status.REJECTED:
                    log.write(f"{file.name} {result.sop_uid} {result.status}\n".encode())
                elif result.retry:
                    refused.append(file)
                else:
                    sys.exit(f"{file.name} was refused for good: {result.reason}")
            log.flush()
            os.fsync(log.fileno())
            if refused:
                time.sleep(_PAUSE)
            waiting = refused + waiting


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
