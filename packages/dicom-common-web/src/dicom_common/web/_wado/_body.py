"""The body of an answer: begun before its status is sent, so that what fails at once is an error and no torn answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence

from starlette.responses import Response

from dicom_common.core import DicomError
from dicom_common.web._call import Call
from dicom_common.web._errors import HttpError
from dicom_common.web._lanes import Lane
from dicom_common.web._multipart import Part, multipart_type, new_boundary, write_multipart
from dicom_common.web._negotiation import Accepted, Offer
from dicom_common.web._stream import Stream
from dicom_common.web._wado._offers import OCTETS

__all__ = ["Attempt", "attempt_of", "begun", "close_all", "decoded_or_stored", "stream_parts", "stream_single"]


_ATTEMPTED = 4 << 20
"""Bytes of what is decoded that are made before the status is sent; each request holds them."""


class Attempt:
    """The beginning of an answer that is decoded: until its status is sent, what fails can be left out, with 206."""

    def __init__(self) -> None:
        self.left_out = self._is_over = False
        """Whether something is left out."""

    def leave_out(self, error: Exception) -> None:
        """Leave out what cannot be decoded.

        Raises:
            Exception: the error; the status is sent, and a client must not take a part for the whole.
        """
        if self._is_over:
            raise error
        self.left_out = True

    def end(self) -> None:
        """Leave nothing out any more."""
        self._is_over = True


def attempt_of(offer: Offer) -> Attempt | None:
    """Return the attempt of frames that go out in a form; None: they are not decoded."""
    return Attempt() if offer.media_type == OCTETS else None


async def stream_parts(  # noqa: PLR0913 - what is sent, and how
    call: Call,
    offer: Offer,
    parts: Iterable[Part],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    lane: Lane | None = None,
    attempt: Attempt | None = None,
) -> Stream:
    """Answer with `multipart/related`.

    Args:
        call: the request.
        offer: what was chosen.
        parts: the parts, whose iterator may block.
        status: of HTTP.
        headers: further ones of the answer.
        lane: whose threads read the parts; that of retrievals by default.
        attempt: of parts that are decoded; 4 MiB of them are made before the status is sent, which is 206 if some are
            left out.

    Raises:
        DicomCommonError: the first part cannot be had, or what is decoded of the first 4 MiB.
    """
    boundary = new_boundary()
    # The first chunk is the header of the first part, the second one has its data.
    lane = lane or call.site.lanes.retrieve
    body = await lane.run(begun, write_multipart(parts, boundary), 2, 0 if attempt is None else _ATTEMPTED)
    if attempt is not None:
        attempt.end()
        status = 206 if attempt.left_out else status
    given = {**(headers or {}), "content-type": multipart_type(offer.media_type, boundary)}
    return _stream(call, lane, body, given, status)


async def decoded_or_stored(
    accepted: Accepted, offers: Sequence[Offer], answer: Callable[[Offer], Awaitable[Response]]
) -> Response:
    """Answer with what the client likes best, or, where that cannot be decoded, with what else it takes.

    Args:
        accepted: what the client takes.
        offers: what there is.
        answer: makes the answer of an offer.

    Raises:
        HttpError: 406, the client takes none of the offers, or none that can be made.
    """
    offer = accepted.require(offers)
    try:
        return await answer(offer)
    except DicomError as error:
        other = accepted.choose([one for one in offers if one.media_type != offer.media_type])
        if other is None:
            raise HttpError(
                406, "The pixel data cannot be decoded: request it as stored, with transfer-syntax=*."
            ) from error
        return await answer(other)


async def stream_single(
    call: Call, chunks: Iterator[bytes], headers: Mapping[str, str], *, status: int = 200
) -> Stream:
    """Answer with one object.

    Raises:
        DicomCommonError: its beginning cannot be had.
    """
    lane = call.site.lanes.retrieve
    return _stream(call, lane, await lane.run(begun, chunks, 1), headers, status)


def _stream(call: Call, lane: Lane, body: Iterator[bytes], headers: Mapping[str, str], status: int) -> Stream:
    return Stream(lane, body, headers, send_seconds=call.site.settings.send_seconds, status_code=status)


def begun(chunks: Iterator[bytes], count: int, size: int = 0) -> Iterator[bytes]:
    """Read the first chunks, and return an iterator that begins with them. It blocks.

    Args:
        chunks: all of them.
        count: how many are read at least.
        size: how many bytes are read at least.

    Raises:
        DicomCommonError: they cannot be had.
    """
    try:
        first: list[bytes] = []
        held = 0
        while (len(first) < count or held < size) and (chunk := next(chunks, None)) is not None:
            first.append(chunk)
            held += len(chunk)
    except BaseException:
        close_all(chunks)
        raise
    return _continued(first, chunks)


def _continued(first: list[bytes], chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    try:
        yield from first
        first.clear()
        yield from chunks
    finally:
        close_all(chunks)


def close_all(*iterators: object) -> None:
    """Close those iterators that can be closed."""
    for one in iterators:
        close = getattr(one, "close", None)
        if close is not None:
            close()
