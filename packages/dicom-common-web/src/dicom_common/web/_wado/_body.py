"""The body of an answer: begun before its status is sent, so that what fails at once is an error and no torn answer."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import islice

from dicom_common.core import DamagedError, NotFoundError
from dicom_common.web._call import Call
from dicom_common.web._multipart import Part, multipart_type, new_boundary, write_multipart
from dicom_common.web._negotiation import Offer
from dicom_common.web._stream import Stream

__all__ = ["begun", "close_all", "stream_parts", "stream_single"]


async def stream_parts(
    call: Call, offer: Offer, parts: Iterable[Part], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Stream:
    """Answer with `multipart/related`.

    Raises:
        DicomCommonError: the first part cannot be had.
    """
    boundary = new_boundary()
    # The first chunk is the header of the first part, the second one has its data.
    body = await call.site.lanes.retrieve.run(begun, write_multipart(parts, boundary), 2)
    given = {**(headers or {}), "content-type": multipart_type(offer.media_type, boundary)}
    return _stream(call, body, given, status)


async def stream_single(
    call: Call, chunks: Iterator[bytes], headers: Mapping[str, str], *, status: int = 200
) -> Stream:
    """Answer with one object.

    Raises:
        DicomCommonError: its beginning cannot be had.
    """
    return _stream(call, await call.site.lanes.retrieve.run(begun, chunks, 1), headers, status)


def _stream(call: Call, body: Iterator[bytes], headers: Mapping[str, str], status: int) -> Stream:
    seconds = call.site.settings.send_seconds
    return Stream(call.site.lanes.retrieve, body, headers, send_seconds=seconds, status_code=status)


def begun(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Read the first chunks, and return an iterator that begins with them. It blocks.

    Raises:
        DamagedError: the storage does not have what the index has.
    """
    try:
        first = list(islice(chunks, count))
    except NotFoundError as error:
        close_all(chunks)
        raise DamagedError(str(error)) from error
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
