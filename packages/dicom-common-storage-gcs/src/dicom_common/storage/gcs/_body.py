"""The bytes of an object as they arrive.

The SDK can only hand over whole ranges, in memory. So the request is made here, with the SDK's own session: a
documented request of the JSON API, and its answer is read as it comes.
"""

from __future__ import annotations

import requests
from urllib3.exceptions import HTTPError

from dicom_common.core import UnavailableError
from dicom_common.storage.object import Body, Found

__all__ = ["EmptyBody", "ResponseBody"]


class ResponseBody(Body):
    """The body of an answer."""

    def __init__(self, response: requests.Response, found: Found, host: str) -> None:
        self.found = found
        self._response = response
        self._host = host

    def read(self, size: int) -> bytes:
        """See `Body`."""
        try:
            # urllib3 itself compares what came with Content-Length: a body that ends early is an error.
            data: bytes = self._response.raw.read(size, decode_content=False)
        except (HTTPError, OSError) as error:
            raise UnavailableError(f"The connection to {self._host} broke in the middle of an object.") from error
        return data

    def close(self) -> None:
        """See `Body`."""
        self._response.close()


class EmptyBody(Body):
    """What lies beyond the end."""

    def __init__(self, found: Found) -> None:
        self.found = found

    def read(self, size: int) -> bytes:  # noqa: ARG002 - the interface's
        """See `Body`."""
        return b""

    def close(self) -> None:
        """See `Body`."""
