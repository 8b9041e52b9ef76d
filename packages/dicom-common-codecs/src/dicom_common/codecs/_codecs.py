"""`Codecs`: decode, transcode and render, each frame in a worker process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from dicom_common.codecs._coders import DECODERS, ENCODERS, EXPLICIT, Missing, available, missing
from dicom_common.codecs._frames import DecodedFrame, FrameCodec
from dicom_common.codecs._images import Image, open_image
from dicom_common.codecs._pool import Pool
from dicom_common.codecs._presentation_states import PresentationState
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._rendering import Picture, Rendering
from dicom_common.codecs._settings import CodecSettings
from dicom_common.codecs._sources import Source
from dicom_common.codecs._transcoding import transcoded
from dicom_common.codecs._whole_files import whole_file
from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings

__all__ = ["Codecs"]

_RENDERING = Rendering()


class Codecs:
    """Decodes, transcodes and renders. Thread-safe; used as a context manager, at whose end no process is left.

    Every method that is given an instance raises:

    - `DicomError`: with a reason of `CodecReason` or of `dicom_common.dicom.Reason`;
    - `UnavailableError`: all workers are busy, and too many calls wait; or no worker can start.
    """

    def __init__(self, settings: CodecSettings | None = None, *, reader: ReaderSettings | None = None) -> None:
        """Start nothing yet.

        Args:
            settings: the limits.
            reader: how headers are read.
        """
        self.settings = settings or CodecSettings()
        self._reader = reader or ReaderSettings()
        self._pool = Pool(self.settings)
        self._frames = FrameCodec(self.settings, self._pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, those at work too, and wait until they have ended."""
        self._pool.close()

    def pids(self) -> list[int]:
        """Return the process ids of the workers, for monitoring."""
        return self._pool.pids()

    def open(self, source: Source) -> AbstractContextManager[Image]:
        """Read the header of an instance once, for several calls of one thread.

        Args:
            source: the instance. Of a file, or of `Ranges`, the header and the frames that are asked for are read.
        """
        return open_image(source, self._reader)

    def can_decode(self, transfer_syntax_uid: str) -> bool:
        """Tell whether compressed frames of a transfer syntax can be decoded; native ones need no decoder."""
        return bool(available(DECODERS.get(transfer_syntax_uid, ())))

    def can_encode(self, transfer_syntax_uid: str) -> bool:
        """Tell whether `transcode` has this transfer syntax as a target."""
        return transfer_syntax_uid == EXPLICIT or bool(available(ENCODERS.get(transfer_syntax_uid, ())))

    def missing(self) -> list[Missing]:
        """Give what cannot be decoded or encoded, and the extra that would bring it."""
        return missing()

    def decode_frame(self, source: Source | Image, frame: int = 1) -> DecodedFrame:
        """Decode one frame.

        Args:
            source: the instance.
            frame: its number, from 1.
        """
        with self._image(source) as image:
            return self._frames.decode(image, frame)

    def decode_frames(self, source: Source | Image) -> Iterator[DecodedFrame]:
        """Decode all frames, one after another."""
        with self._image(source) as image:
            for frame in range(1, image.frames + 1):
                yield self._frames.decode(image, frame)

    def presentation_state(self, source: Source | Image) -> PresentationState:
        """Read a Grayscale Softcopy Presentation State, for `render` (PS3.3 A.33.1).

        Args:
            source: the instance.
        """
        with self._image(source) as state:
            return PresentationState(state)

    def render(
        self,
        source: Source | Image,
        frame: int = 1,
        *,
        rendering: Rendering = _RENDERING,
        state: PresentationState | None = None,
    ) -> Picture:
        """Render one frame (PS3.4 N.2, PS3.18 8.3.5).

        Args:
            source: the instance.
            frame: its number, from 1.
            rendering: the file format, and how it is to look.
            state: how the frame is to be presented; of `rendering`, a window and a source region then do not count.
        """
        viewport = rendering.viewport
        if viewport is not None and viewport.width * viewport.height > self.settings.max_pixels:
            raise DicomError(
                CodecReason.TOO_LARGE,
                f"The viewport has more pixels than codecs.max_pixels ({self.settings.max_pixels}): ask for fewer.",
            )
        with self._image(source) as image:
            return self._frames.render(image, frame, rendering, state)

    def transcode(self, source: Source | Image, target_uid: str, out: BinaryIO | os.PathLike[str]) -> None:
        """Write an instance in another transfer syntax, as a file with a preamble of zeros (PS3.10 7.1).

        The SOP Instance UID stays: nothing is lost, so it is the same instance (PS3.4 B.4.1.3). Values stay byte for
        byte, where the byte order permits; sequences get undefined lengths, and group lengths, which are retired, go.

        Args:
            source: the instance.
            target_uid: explicit VR little endian, which needs no encoder; one for which `can_encode` says so; or that
                of a compressed instance itself, which gets a new preamble and File Meta only.
            out: a binary file, which after an error holds a part of the instance; or a path, which then is not made.
        """
        pieces = self.transcoded(source, target_uid)
        if not isinstance(out, os.PathLike):
            for piece in pieces:
                out.write(piece)
            return
        path = Path(out)
        with whole_file(path) as file:
            for piece in pieces:
                file.write(piece)

    def transcoded(self, source: Source | Image, target_uid: str) -> Iterator[bytes]:
        """Do the same in pieces, to send them while the next ones are made.

        What can be refused from the header and the first frame is refused before the first piece.
        """
        with self._image(source) as image:
            yield from transcoded(image, target_uid, self._frames, self.settings.max_frame_bytes)

    def _image(self, source: Source | Image) -> AbstractContextManager[Image]:
        return nullcontext(source) if isinstance(source, Image) else self.open(source)
