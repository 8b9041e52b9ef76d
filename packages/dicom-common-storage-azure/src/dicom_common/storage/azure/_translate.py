"""From what Azure answers to the errors of the core: one sentence each, which names the setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from dicom_common.storage.object import BusyError, connection_error

__all__ = ["Translator"]

_TIME = re.compile(r"date header too old|time frame|not yet valid|expir", re.IGNORECASE)
_CHECKSUM = re.compile(r"md5|crc64", re.IGNORECASE)
_KEPT_BY_POLICY = re.compile(r"Immutab|Lease|LegalHold|PolicyHold")
_PERMISSION = {"AuthorizationPermissionMismatch", "InsufficientAccountPermissions", "AuthorizationResourceTypeMismatch"}


class Translator:
    """Knows the names for the sentences."""

    def __init__(self, container: str, host: str, account: str, setting: str) -> None:
        self._container = container
        self._host = host
        self._account = account
        self._setting = setting

    @contextmanager
    def request(self) -> Iterator[None]:
        """Translate what a request raises."""
        try:
            yield
        except HttpResponseError as error:
            if error.response is None and not isinstance(error, ClientAuthenticationError):
                raise connection_error(error, self._host, self._setting) from error
            raise self._answer(error) from error
        except (ServiceRequestError, ServiceResponseError, requests.RequestException, OSError) as error:
            raise connection_error(error, self._host, self._setting) from error
        except AzureError as error:
            if _CHECKSUM.search(str(error)):
                raise self._damaged() from error
            raise UnavailableError(
                f"The request to {self._host} failed ({type(error).__name__}): try again."
            ) from error

    def _answer(self, error: HttpResponseError) -> BackendError:  # noqa: PLR0911 - a table
        code = str(getattr(getattr(error, "error_code", ""), "value", getattr(error, "error_code", "")))
        status = error.status_code or 0
        if status in (0, 401, 403):
            return self._refused(code, str(error))
        if code.startswith("Container") and status == 404:
            return RefusedError(
                f"There is no container {self._container} at {self._host}: make it, or correct the setting container."
            )
        if code == "InvalidBlobOrBlock":
            return RefusedError(
                f"Another program has begun to write this object in the container {self._container}, in blocks that"
                " ours cannot be mixed with: let it finish, or delete the object; Azure forgets them within a week."
            )
        if status == 404 or code == "InvalidBlockList":  # the blocks are gone where another has committed meanwhile
            return NotFoundError("There is no such object, or it has another version.")
        if _KEPT_BY_POLICY.search(code):
            return RefusedError(
                f"The container {self._container} protects this object ({code}): a lease or an immutability policy"
                " does not let it be replaced or deleted."
            )
        if code in ("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"):
            return AlreadyExistsError("The object is there already, or has changed.")
        if status == 400 and _CHECKSUM.search(f"{code} {error}"):
            return self._damaged()
        if status in (408, 409, 412, 429) or status >= 500:
            return BusyError(
                f"The container {self._container} at {self._host} cannot take requests at the moment (status {status}"
                f" {code}): try later.",
                _retry_after(error),
            )
        return RefusedError(
            f"The store at {self._host} refuses the request (status {status} {code}): check the settings endpoint,"
            " account and container."
        )

    def _refused(self, code: str, text: str) -> RefusedError:
        if _TIME.search(text):
            return RefusedError(
                f"The container {self._container} refuses the {self._account}: it is expired, or the clock of this"
                " machine is wrong; correct either."
            )
        if code in _PERMISSION:
            return RefusedError(
                f"The {self._account} may not do this in the container {self._container}: grant the role Storage Blob"
                " Data Contributor, or a signature with read, write, delete and list."
            )
        if not code:  # it did not come as far as the store
            return RefusedError(
                "Microsoft Entra ID gives no token: give this machine a managed identity, set AZURE_CLIENT_ID,"
                " AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or set account_key or sas_token of the azure storage."
            )
        return RefusedError(
            f"The container {self._container} at {self._host} refuses the {self._account} ({code}):"
            f" correct the settings account and {self._account}, or the firewall of the account."
        )

    def _damaged(self) -> DamagedError:
        return DamagedError(f"The container {self._container} got other bytes than were sent.")


def _retry_after(error: HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    text = str(headers.get("Retry-After", ""))
    return float(text) if text.isdecimal() else None
