"""What must hold for every read of a changed object."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from fuzz_changes import changed
from fuzz_json import WrongJsonError, checked_json

from dicom_common.core import DicomError, Instance
from dicom_common.dicom import FrameIndex, ReaderSettings, Reading, Reason, index_frames, read, read_header
from dicom_common.dicom._read import read_through

MOST_SECONDS: Final = 2.0
"""Of processor time for one read, which other processes of a busy machine do not lengthen."""
MOST_KILOBYTES: Final = 200 << 10
_HANG: Final = 6
_SETTINGS: Final = ReaderSettings()  # the checks of its own cost as much as a read
_NARROW: Final = 200
"""Bytes of a window through which the smallest object passes in pieces, as large ones do."""

Verdict = tuple[Instance, bytes] | Reason


class WrongError(AssertionError):
    """Something that must hold does not. The message has no value of the object."""


class HangError(BaseException):
    """A read has not ended; no handler of the reader may take this for one of its own errors."""


class OneWayStream(io.RawIOBase):
    """A stream that gives few bytes at a time and cannot seek, as a socket does."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give what there is, but little of it."""
        size = min(1000, size) if size >= 0 else 1000
        self._at += size
        return self._data[self._at - size : self._at]


def peak_kilobytes() -> int:
    """Give the peak of this process's resident memory; 0 where the system does not tell."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as status:  # noqa: PTH123  # once a read: no buffer, no path
            return int(status.read(4096).partition(b"VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        return 0


class Check:
    """Reads one changed object after the other, and remembers the slowest read."""

    def __init__(self) -> None:
        self.accepted = 0
        self.slowest = (0.0, 0)
        self._now = 0
        if hasattr(signal, "SIGPROF"):
            signal.signal(signal.SIGPROF, _hang)

    def __call__(self, seed: int) -> None:
        """Read the object of one number in all ways.

        Raises:
            WrongError: something does not hold.
        """
        self._now = seed
        self.hold(seed, changed(seed).data)

    def hold(self, seed: int, data: bytes) -> None:
        """Read an object in all ways; `seed` chooses among them."""
        verdict = self._verdict("bytes", lambda: read(data))
        if seed % 2:
            sha256 = hashlib.sha256(data).hexdigest()
            first = (64, 300, 1000, 5000)[seed // 2 % 4]
            ranges = lambda offset, length: data[offset : offset + length]  # noqa: E731  # it is this or four lines
            other = self._verdict("ranges", lambda: read_header(ranges, size=len(data), sha256=sha256, first=first))
        else:
            other = self._verdict("stream", lambda: read_through(OneWayStream(data), _SETTINGS, _NARROW))  # type: ignore[arg-type]  # enough of one
        if other != verdict:
            raise WrongError(f"{'ranges' if seed % 2 else 'a stream'}: {_difference(verdict, other)}")
        if isinstance(verdict, tuple):
            self.accepted += 1
            try:
                checked_json(verdict[1])
            except WrongJsonError as error:
                raise WrongError(f"JSON: {error}") from None
            self._frames(data, verdict[0])

    def _verdict(self, way: str, reading: Callable[[], Reading]) -> Verdict:
        with self._timed(way):
            try:
                found = reading()
            except DicomError as refusal:
                return _reason(refusal)
        return found.instance, found.metadata

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, _HANG)
        begin = time.process_time()
        try:
            yield
        except HangError:
            raise WrongError(f"{what}: not done after {_HANG} s of processor time") from None
        except (AssertionError, DicomError):
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is not documented
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""  # noqa: PTH119
            raise WrongError(f"{what}: {type(error).__name__} at {place}") from None
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.process_time() - begin
        self.slowest = max(self.slowest, (seconds, self._now))
        if seconds > MOST_SECONDS:
            raise WrongError(f"{what}: {seconds:.1f} s")

    def _frames(self, data: bytes, instance: Instance) -> None:
        by_bytes = self._index(data, instance)
        by_ranges = self._index(lambda offset, length: data[offset : offset + length], instance)
        if by_bytes != by_ranges:
            raise WrongError("the frame index by ranges is another one")
        pixel = instance.pixel_data
        if pixel is None or not isinstance(by_bytes, FrameIndex) or by_bytes.inflated:
            return
        end = len(data) if pixel.length is None else pixel.offset + pixel.length
        for number in {1, by_bytes.count}:
            with self._timed("frame"):
                frame = by_bytes.frame(number)
                for offset, length in frame.ranges:
                    if offset < pixel.offset or offset + length > end:
                        raise WrongError("a frame has bytes beyond the pixel data")
                try:
                    found = by_bytes.read(data, number)
                except DicomError as refusal:
                    _reason(refusal)
                    continue
            if len(found) != (frame.bits + 7) // 8:
                raise WrongError("a frame has another length than its place")

    def _index(self, source: bytes | Callable[[int, int], bytes], instance: Instance) -> FrameIndex | Reason:
        with self._timed("frames"):
            try:
                return index_frames(source, instance)
            except DicomError as refusal:
                return _reason(refusal)


def _hang(_number: int, _frame: FrameType | None) -> None:
    raise HangError


def _reason(refusal: DicomError) -> Reason:
    try:
        return Reason(refusal.reason)
    except ValueError:
        raise WrongError(f"the reason {refusal.reason!r} is not documented") from None


def _difference(verdict: Verdict, other: Verdict) -> str:
    """Say in which respect two verdicts differ, without a value."""
    if isinstance(verdict, Reason) or isinstance(other, Reason):
        one, two = (each.value if isinstance(each, Reason) else "accepted" for each in (verdict, other))
        return f"{two}, by bytes {one}"
    names = [name for name in Instance.__slots__ if getattr(verdict[0], name) != getattr(other[0], name)]
    return f"another {', '.join(names)}" if names else "another JSON"
