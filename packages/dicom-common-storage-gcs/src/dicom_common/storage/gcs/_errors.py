"""What Google's answers and its SDKs' errors mean, as the core's errors: one sentence each, which names the setting."""

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

from dicom_common.core import AlreadyExistsError, BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.storage.object import BusyError, connection_error, with_retry_after
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["Failures"]

_NO_BUCKET = re.compile(r"bucket does not exist|bucket not found|no such bucket", re.IGNORECASE)
_DAMAGED = "The bucket {bucket} got other bytes than were sent: send them again."
_RETRYABLE = "retryable"
# The codes are HTTP statuses; the words stand in the text in lower case.
_MEANINGS = (
    Meaning(
        RefusedError, "There is no bucket {bucket} at {host}: make it, or correct the setting bucket.", codes=(404,)
    ),
    Meaning(AlreadyExistsError, "The object is there already, or has changed.", codes=(304, 412)),
    Meaning(
        RefusedError,
        "The store at {host} does not take the credentials ({account}): correct credentials_file.",
        codes=(401,),
    ),
    Meaning(BusyError, "The bucket {bucket} asks for fewer requests: try later.", codes=(429,)),
    Meaning(
        BusyError,
        "The bucket {bucket} asks for fewer requests: try later.",
        codes=(403,),
        words=("ratelimitexceeded", "quotaexceeded"),
    ),
    Meaning(
        RefusedError,
        "The credentials ({account}) may not do this in the bucket {bucket}: grant the role Storage Object User, or set"
        " other ones in credentials_file.",
        codes=(403,),
    ),
    Meaning(UnavailableError, _DAMAGED, codes=(400,), words=("crc32c", "md5")),
    Meaning(
        BusyError,
        "The store at {host} has trouble of its own (status {status}): try later.",
        codes=(408, 409, *range(500, 600)),
    ),
    Meaning(UnavailableError, _DAMAGED, classes=(DataCorruption,)),
    Meaning(UnavailableError, "Google does not give out a token at the moment: try again.", codes=(_RETRYABLE,)),
    Meaning(
        RefusedError,
        "Google refuses the credentials ({account}): they are expired, revoked or of another clock; give new ones in"
        " credentials_file, or correct the clock of this machine.",
        classes=(RefreshError,),
    ),
    Meaning(
        RefusedError, "The credentials ({account}) cannot be used: set credentials_file.", classes=(GoogleAuthError,)
    ),
    Meaning(
        RefusedError,
        "The store at {host} refuses the request (status {status}): check the settings endpoint and bucket.",
    ),
)


class Failures:
    """Makes errors of answers and of what the SDKs raise, with the names of one configuration."""

    def __init__(self, bucket: str, host: str, account: str) -> None:
        self._meanings = Meanings(_MEANINGS, {"bucket": bucket, "host": host, "account": account})
        self._host = host

    @contextmanager
    def translated(self, missing: str = "") -> Iterator[None]:
        """Translate what a request raises.

        Args:
            missing: what a 404 means, as the sentence of a NotFoundError; empty where only the bucket can be missing.
        """
        try:
            yield
        except (GoogleAPICallError, InvalidResponse) as error:
            # InvalidResponse is what uploads raise where the SDK does not translate itself.
            raise self.answer(_status(error), str(error), error.response, missing) from error
        except TransportError as error:
            raise connection_error(error, "the token service of Google", "credentials_file") from error
        except (DataCorruption, GoogleAuthError) as error:
            is_retryable = isinstance(error, RefreshError) and error.retryable
            raise self._meanings.error(error, _RETRYABLE if is_retryable else "") from error
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

    def answer(self, status: int, text: str, response: Any, missing: str) -> BackendError:
        """Make the error of an HTTP status."""
        if status == 404 and missing and not _NO_BUCKET.search(text):
            return NotFoundError(missing)
        error = self._meanings.error(None, status, text=text.lower(), status=status)
        return with_retry_after(error, getattr(response, "headers", None) or {})


def _status(error: GoogleAPICallError | InvalidResponse) -> int:
    if isinstance(error, InvalidResponse):
        return int(error.response.status_code)
    return int(error.code or 0)
