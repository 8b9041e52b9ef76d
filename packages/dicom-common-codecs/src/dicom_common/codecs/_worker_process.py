"""The caller's side of one worker: start it, give it a task with a deadline, and end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final

from dicom_common.codecs._messages import Message, ProtocolError, receive, send
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._settings import CodecSettings
from dicom_common.core import DicomError, UnavailableError

__all__ = ["GoneError", "WorkerProcess"]

_KEPT: Final = (
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
)
"""Variables that a worker gets. Others may hold secrets, which are no business of what decodes strangers' images."""
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


_BUFFER: Final = 1 << 20


class GoneError(Exception):
    """The worker had ended before it was given the task."""


class WorkerProcess:
    """A worker. It is used by one thread at a time; `kill` may be called by any."""

    def __init__(self, settings: CodecSettings) -> None:
        self._settings = settings
        self.tasks = 0
        self._ending = threading.Lock()
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):  # the system gives what it allows
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        lifeline, self._lifeline = os.pipe()
        arguments = (
            *(theirs.fileno(), lifeline, settings.max_memory, settings.max_cpu_seconds),
            *(settings.max_frame_bytes, settings.max_pixels),
        )
        self._connection = ours
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own module, and numbers
                [sys.executable, "-P", "-m", "dicom_common.codecs._worker", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), lifeline),
                env={name: os.environ[name] for name in _KEPT if name in os.environ} | _ONE_THREAD,
            )
        except OSError as error:
            ours.close()
            os.close(self._lifeline)
            raise UnavailableError("A codec worker could not be started: see whether the machine has room.") from error
        finally:
            theirs.close()
            os.close(lifeline)

    def wait_until_ready(self) -> None:
        """Wait until the worker has imported what it needs.

        Raises:
            UnavailableError: it did not start.
        """
        try:
            receive(self._connection, 0, time.monotonic() + self._settings.start_seconds)
        except (ProtocolError, OSError) as error:
            self.kill()
            raise UnavailableError(
                "A codec worker did not start: raise codecs.max_memory or codecs.start_seconds, and see whether "
                "numpy, Pillow and pydicom can be imported."
            ) from error

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def run(self, told: dict[str, Any], block: bytes) -> Message:
        """Give it a task, and wait for the answer.

        Raises:
            GoneError: it had ended before.
            DicomError: reason `timeout`, `crashed`: the worker is of no use any more.
        """
        if self._process.poll() is not None:
            raise GoneError
        self.tasks += 1
        deadline = time.monotonic() + self._settings.max_seconds
        try:
            send(self._connection, (told, block), deadline)
            return receive(self._connection, self._settings.max_frame_bytes, deadline)
        except TimeoutError as error:
            raise DicomError(
                CodecReason.TIMEOUT,
                f"The frame took more than codecs.max_seconds ({self._settings.max_seconds:g}): raise it if such "
                "images are expected.",
            ) from error
        except (ProtocolError, OSError) as error:
            raise self._death() from error

    def _death(self) -> DicomError:
        """Say of what the worker died."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            return DicomError(
                CodecReason.TIMEOUT,
                f"The frame took more than codecs.max_cpu_seconds ({self._settings.max_cpu_seconds}): raise it if such "
                "images are expected.",
            )
        return DicomError(
            CodecReason.CRASHED,
            "The codec worker died of this frame, or was killed: if that happens again with the same frame, its pixel "
            "data is damaged, or its decoder is; update the extras of dicom-common-codecs.",
        )

    def kill(self) -> None:
        """End the process, and wait until it has ended."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close this side of the connection, after which the process ends by itself."""
        with self._ending:
            self._connection.close()
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1
