"""From what Google answers to the errors of the core: one sentence each, which names the setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.cloud.storage.exceptions import (  # type: ignore[import-untyped]  # it has no types
    DataCorruption,
    InvalidResponse,
)
from urllib3.exceptions import HTTPError

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from dicom_common.storage.object import BusyError, connection_error

__all__ = ["Translator", "retry_after"]

_NO_BUCKET = re.compile(r"bucket does not exist|bucket not found|no such bucket", re.IGNORECASE)
_CHECKSUM = re.compile(r"crc32c|md5", re.IGNORECASE)
_LIMIT = re.compile(r"rateLimitExceeded|quotaExceeded", re.IGNORECASE)


class Translator:
    """Knows the names for the sentences."""

    def __init__(self, bucket: str, host: str, account: str) -> None:
        self._bucket = bucket
        self._host = host
        self._account = account

    @contextmanager
    def request(self, missing: str = "") -> Iterator[None]:
        """Translate what a request raises.

        Args:
            missing: what a 404 means, as the sentence of a NotFoundError; empty where only the bucket can be missing.
        """
        try:
            yield
        except (GoogleAPICallError, InvalidResponse) as error:
            # InvalidResponse is what uploads raise where the SDK does not translate itself.
            response = error.response
            raise self.answer(_status(error), str(error), response, missing) from error
        except DataCorruption as error:
            raise DamagedError(f"The bucket {self._bucket} got other bytes than were sent.") from error
        except RefreshError as error:
            if error.retryable:
                raise UnavailableError("Google does not give out a token at the moment: try again.") from error
            raise RefusedError(
                f"Google refuses the credentials ({self._account}): they are expired, revoked or of another clock; give"
                " new ones in credentials_file, or correct the clock of this machine."
            ) from error
        except TransportError as error:
            raise connection_error(error, "the token service of Google", "credentials_file") from error
        except GoogleAuthError as error:
            raise RefusedError(f"The credentials ({self._account}) cannot be used: set credentials_file.") from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise connection_error(error, self._host) from error

    @contextmanager
    def garbled(self) -> Iterator[None]:
        """Translate what an answer raises that succeeded and is not what the store's API says."""
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            # From None: the answer is not one of the store, and may hold anything.
            raise UnavailableError(
                f"The answer of {self._host} is not one of Google Cloud Storage: check the setting endpoint, and what"
                " stands between."
            ) from None

    def answer(self, status: int, text: str, response: Any, missing: str) -> BackendError:  # noqa: PLR0911 - a table
        """Make the error of an HTTP status."""
        if status == 404:
            if missing and not _NO_BUCKET.search(text):
                return NotFoundError(missing)
            return RefusedError(
                f"There is no bucket {self._bucket} at {self._host}: make it, or correct the setting bucket."
            )
        if status in (304, 412):
            return AlreadyExistsError("The object is there already, or has changed.")
        if status == 401:
            return RefusedError(
                f"The store at {self._host} does not take the credentials ({self._account}): correct credentials_file."
            )
        if status == 429 or (status == 403 and _LIMIT.search(text)):
            return BusyError(f"The bucket {self._bucket} asks for fewer requests: try later.", retry_after(response))
        if status == 403:
            return RefusedError(
                f"The credentials ({self._account}) may not do this in the bucket {self._bucket}: grant the role"
                " Storage Object User, or set other ones in credentials_file."
            )
        if status == 400 and _CHECKSUM.search(text):
            return DamagedError(f"The bucket {self._bucket} got other bytes than were sent.")
        if status in (408, 409) or status >= 500:
            return BusyError(
                f"The store at {self._host} has trouble of its own (status {status}): try later.", retry_after(response)
            )
        return RefusedError(
            f"The store at {self._host} refuses the request (status {status}): check the settings endpoint and bucket."
        )


def retry_after(response: Any) -> float | None:
    """Return the seconds of a Retry-After header, where there is one in seconds."""
    text = getattr(response, "headers", {}).get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _status(error: GoogleAPICallError | InvalidResponse) -> int:
    if isinstance(error, InvalidResponse):
        return int(error.response.status_code)
    return int(error.code or 0)
