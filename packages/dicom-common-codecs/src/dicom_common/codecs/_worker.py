"""A worker process: it decodes, encodes and renders one frame after another, and has nothing else to lose.

It is started as `python -m dicom_common.codecs._worker`, with the numbers of two descriptors and its limits.
"""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from dicom_common.codecs._messages import Message, ProtocolError, receive, send
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError

__all__ = ["main"]

Tasks = dict[str, Callable[[dict[str, Any], memoryview], Message]]


def main() -> None:
    """Serve until the caller's end of the connection is closed."""
    descriptor, lifeline, max_memory, max_cpu_seconds, max_bytes, max_pixels = map(int, sys.argv[1:7])
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key that is pressed ends the caller, which ends this
    _die_with(lifeline)
    _silence()
    _restrict(max_memory)
    tasks = _tasks(max_pixels)
    with socket.socket(fileno=descriptor) as connection:
        try:
            send(connection, ({"ready": True}, b""))
            while True:
                told, block = receive(connection, max_bytes)
                _allow_cpu(max_cpu_seconds)
                answer = _answer(tasks, told, block)
                del block
                send(connection, answer)
                del answer
        except (ProtocolError, OSError):
            return


def _tasks(max_pixels: int) -> Tasks:
    """Import what the tasks need, once the limits are set."""
    from PIL import Image  # noqa: PLC0415  # only behind the limits

    from dicom_common.codecs._tasks import TASKS  # noqa: PLC0415  # the same

    Image.MAX_IMAGE_PIXELS = max_pixels
    return TASKS


def _answer(tasks: Tasks, told: dict[str, Any], block: Any) -> Message:
    """Do a task. Whatever fails is an answer; what a library says may hold values of the image, and stays here."""
    try:
        return tasks[told["task"]](told, memoryview(block))
    except DicomError as error:
        return {"reason": error.reason, "message": str(error)}, b""
    except MemoryError:
        return {"reason": CodecReason.OUT_OF_MEMORY}, b""
    except Exception as error:  # noqa: BLE001  # decoders raise whatever they like
        return {"reason": CodecReason.UNDECODABLE, "kind": type(error).__name__}, b""


def _die_with(lifeline: int) -> None:
    """End when the caller does, even in the middle of a task: the system sends SIGIO when the lifeline is cut."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)


def _silence() -> None:
    """Keep what libraries print, which may be anything, out of the caller's output."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _restrict(max_memory: int) -> None:
    """Limit memory, and forbid files to be written: RLIMIT_AS has no effect on macOS, the others have."""
    for limit, value in ((resource.RLIMIT_AS, max_memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))


def _allow_cpu(seconds: int) -> None:
    """Set the limit of processor time for one task: it counts what the process has used since it began."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    wanted = int(used.ru_utime + used.ru_stime) + 1 + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    main()
