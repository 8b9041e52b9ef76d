"""`dicom-common scp` as an operator runs it: in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from live_ae import PEERS

__all__ = ["ScpProcess", "scp_process"]

COMMAND = (sys.executable, "-m", "dicom_common.cli")


@dataclass
class ScpProcess:
    """A process that accepts associations."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    said: list[str] = field(default_factory=list)
    """The lines of its stderr."""

    def memory(self) -> int:
        """Return the most memory that the process ever had in use, in bytes (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]  # the kernel writes it

    @property
    def is_stopping(self) -> bool:
        """Whether it has said that it was told to stop."""
        return any("a second signal stops at once" in line for line in self.said)

    def workers(self) -> list[int]:
        """Return the ids of its worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        found = []
        for one in children.split():
            with suppress(FileNotFoundError):  # it has ended meanwhile
                if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes():
                    found.append(int(one))
        return found


@contextmanager
def scp_process(
    folder: Path,
    *options: str,
    settings: str = "",
    peers: str = PEERS,
    expected: str = "",
    before: Sequence[str] = (),
) -> Iterator[ScpProcess]:
    """Run it until the block ends; then it has to end in good order.

    An error in its log is a failure, unless it has `expected` in it. `before` stands before the command.
    """
    file = folder / "site.toml"
    file.write_text(f'data = "data"\n[dimse]\nport = 0\n{settings}\n{peers}', encoding="utf-8")
    command = [*COMMAND, *before, "scp", "--config", str(file), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.match(r"Listening as \S+ on \S+ port (\d+)", line):
                break
        else:
            raise AssertionError(f"it did not start: {said}")
        reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        reader.start()
        yield ScpProcess(process, int(found[1]), folder / "data", said)
        if process.poll() is None:
            process.terminate()
            assert process.wait(90) == 0, said
    finally:
        process.kill()
        process.wait()
    reader.join(60)
    process.stderr.close()
    bad = [line for line in said if "Traceback" in line or "ERROR" in line]
    assert not [line for line in bad if not expected or expected not in line], said
