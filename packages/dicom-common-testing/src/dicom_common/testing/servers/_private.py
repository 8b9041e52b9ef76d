"""A server of one test's own, which it may kill and start again.

    with private_server("postgres") as server:
        ...                     # it listens at server.host, server.port
        server.kill()           # SIGKILL to all of its processes
        server.start()          # again, on the same folder and port: with all that it had on disk

Always a program of this machine, never a container: what is tested is a server that dies, at once and with everything.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dicom_common.testing.servers._install import Commands
from dicom_common.testing.servers._known import HOST, Server, server_named, which
from dicom_common.testing.servers._programs import (
    AbsentError,
    free_port,
    hand_over,
    launch,
    listens,
    make_folder,
    prepare as run_before,
    start_time,
    wait_until_ready,
)

__all__ = ["AbsentError", "PrivateServer", "command_server", "descendants", "private_server"]

_GONE_SECONDS, _STOP_SECONDS = 60, 60


class PrivateServer:
    """A server that only one test knows of; see `private_server`.

    Args:
        server: what it is; `dataclasses.replace` gives it other commands.
        port: that it listens on; by default a free one.

    Attributes:
        options: what its command gets beside its usual words, at each start.
    """

    host = HOST

    def __init__(self, server: Server, port: int | None = None) -> None:
        if reason := server.missing():
            raise AbsentError(reason)
        self.server = server
        self.folder = make_folder(server)
        self.port = port or free_port()
        self.options: tuple[str, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, and wait until it takes work. Where it has died in the middle of its work, it recovers first.

        Raises:
            AbsentError: it does not start.
        """
        if self._process is not None:
            return
        is_new = not (self.folder / "log").exists()
        with (self.folder / "log").open("ab") as log:
            if is_new and not run_before(self.server, self.folder, self.port, log):
                raise AbsentError(f"{self.server.name} cannot be prepared: {_last_line(self.log)}")
            process = self._process = launch(self.server, self.folder, self.port, log, *self.options)
        if not wait_until_ready(self.server, self.port, lambda: process.poll() is None):
            self.kill()
            raise AbsentError(f"{self.server.name} does not start: {_last_line(self.log)}")

    def put(self, name: str, content: bytes) -> Path:
        """Write a file into its folder that only its account may read, such as a key, and return where it is."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        hand_over(self.server, path)
        return path

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, by the signal that it takes for that, and wait until it has."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def pause(self) -> None:
        """Stop all of its processes; the kernel goes on taking connections for it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            for pid in [self._process.pid, *descendants(self._process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def kill(self) -> None:
        """Kill all of its processes at once, and wait until they are gone."""
        if self._process is None:
            return
        # First the one that would start others, or would tell them to end in good order. PostgreSQL's children lead
        # sessions of their own: no signal to a process group reaches them.
        family = [self._process.pid, *descendants(self._process.pid)]
        started = {pid: start_time(pid) for pid in family}
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        give_up = time.monotonic() + _GONE_SECONDS
        while any(started[pid] and start_time(pid) == started[pid] for pid in family[1:]):
            if time.monotonic() > give_up:
                raise RuntimeError(f"processes of {self.server.name} live on after SIGKILL")
            time.sleep(0.01)


@contextlib.contextmanager
def private_server(name: str) -> Iterator[PrivateServer]:
    """Run a server for the length of a block, in a fresh folder that is removed at the end.

    Raises:
        AbsentError: this machine does not have it; the message says why.
    """
    server = server_named(name)
    if not server.programs and server.install is None:
        raise AbsentError(f"{name} runs in a container only")
    private = PrivateServer(server)
    try:
        private.start()
        yield private
    finally:
        private.remove()


@contextlib.contextmanager
def command_server(
    *command: str | Path, ready: Callable[[int], bool] = listens, prepare: Sequence[Sequence[str | Path]] = ()
) -> Iterator[PrivateServer]:
    """Run a server of yours for the length of a block, in a fresh folder that is removed at the end.

        with command_server("my-server", "--listen", "127.0.0.1:{port}", "--data", "{folder}") as server:
            ...

    It can be killed, and started again on the same folder and port: what the contracts take as `killed_server`.

    Args:
        command: the words of its command line; `{port}` and `{folder}` are filled in. It stays in the foreground. The
            program is on PATH, or beside the Python that runs.
        ready: asks whether it takes work on a port; by default, whether that takes connections.
        prepare: command lines that run before the first start.

    Raises:
        AbsentError: this machine does not have the program, or it does not start; the message says why.
    """
    words = [str(word) for word in command]
    program = which(words[0]) or shutil.which(words[0], path=str(Path(sys.executable).parent))
    if program is None:
        raise AbsentError(f"no {words[0]} on this machine")

    def commands(folder: Path, port: int) -> Commands:
        lines = [*([str(word) for word in line] for line in prepare), [program, *words[1:]]]
        return [[word.replace("{port}", str(port)).replace("{folder}", str(folder)) for word in line] for line in lines]

    private = PrivateServer(Server(name=Path(program).name, commands=commands, ready=ready))
    try:
        private.start()
        yield private
    finally:
        private.remove()


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs. A server's children may lead sessions and groups of their own."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for child, parent in _parents():
        children[parent].append(child)
    found = list(children[pid])
    for one in found:  # it grows meanwhile
        found.extend(children[one])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Iterate over all processes, each with its parent."""
    if sys.platform != "linux":
        shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        yield from ((int(child), int(parent)) for child, parent in map(str.split, shown.splitlines()))
        return
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            yield int(status.parent.name), int(fields[1])


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it printed nothing"])[-1]
