"""Reading: chunks of an object, over as many connections as it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from dicom_common.core import DamagedError, NotFoundError, UnavailableError
from dicom_common.storage.object._client import Body, Client
from dicom_common.toolkit import Backoff, Retry

__all__ = ["ObjectReader"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Reads one object; where a connection breaks, the next one goes on at the same byte of the same version."""

    client: Client
    retry: Retry
    key: str

    def chunks(self, start: int, length: int | None) -> Iterator[bytes]:
        """Open the object and return its chunks. `length` is at least 1.

        Raises:
            NotFoundError: there is no such object.
        """
        body = self.retry.call(lambda: self.client.get(self.key, start=start, length=length, version=None))
        size = body.found.size
        chunks = self._chunks(body, start, size if length is None else min(start + length, size))
        next(chunks)  # into its `try`: from here on the connection is released also without any iteration
        return chunks

    def _chunks(self, body: Body, start: int, end: int) -> Iterator[bytes]:
        found, position = body.found, start
        attempts = Backoff(attempts=self.retry.attempts)
        # Bytes that come as a whole are compared with what was kept with them.
        digest = hashlib.sha256() if found.sha256 and start == 0 and end == found.size else None
        try:
            yield b""  # where `chunks` stops
            while position < end:
                try:
                    chunk = self._next(body, min(_CHUNK, end - position))
                except UnavailableError:
                    if not attempts.wait():
                        raise
                    body.close()
                    body = self._opened_again(position, end, found.version)
                    continue
                attempts.restart()  # whoever makes headway may break as often as it likes
                position += len(chunk)
                if digest is not None:
                    digest.update(chunk)
                    if position == end and digest.hexdigest() != found.sha256:
                        raise DamagedError(
                            f"An object in {self.client.name} does not have the SHA-256 that was kept with it."
                        )
                yield chunk
        finally:
            body.close()

    def _next(self, body: Body, size: int) -> bytes:
        chunk = body.read(size)
        if not chunk:
            raise UnavailableError(f"The answer of {self.client.name} ended too early: try again.")
        return chunk

    def _opened_again(self, position: int, end: int, version: str) -> Body:
        length = end - position
        try:
            return self.retry.call(lambda: self.client.get(self.key, start=position, length=length, version=version))
        except NotFoundError as error:
            raise UnavailableError("An object was replaced or deleted while it was read: read it again.") from error
