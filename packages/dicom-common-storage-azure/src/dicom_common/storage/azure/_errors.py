"""What Azure's answers and its SDK's errors mean, as the core's errors: one sentence each, which names the setting."""

from __future__ import annotations

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
from dicom_common.core import AlreadyExistsError, BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.storage.object import BusyError, connection_error, with_retry_after
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["Failures"]

_HOLDS = ("Immutab", "Lease", "LegalHold", "PolicyHold")
"""Parts of codes that tell of a lease or a policy."""
_NO_ACCESS = (0, 401, 403)
_CHECKSUM = ("md5", "crc64")
_DAMAGED = "The container {container} got other bytes than were sent: send them again."
# The codes are the status, Azure's code, both as a pair, and what `_HOLDS` finds; the words stand in the text in lower
# case.
_MEANINGS = (
    Meaning(
        RefusedError,
        "The container {container} refuses the {account}: it is expired, or the clock of this machine is wrong; correct"
        " either.",
        codes=_NO_ACCESS,
        words=("date header too old", "time frame", "not yet valid", "expir"),
    ),
    Meaning(
        RefusedError,
        "The {account} may not do this in the container {container}: grant the role Storage Blob Data Contributor, or a"
        " signature with read, write, delete and list.",
        codes=(
            *("AuthorizationPermissionMismatch", "InsufficientAccountPermissions"),
            "AuthorizationResourceTypeMismatch",
        ),
    ),
    Meaning(  # it did not come as far as the store
        RefusedError,
        "Microsoft Entra ID gives no token: give this machine a managed identity, set AZURE_CLIENT_ID, AZURE_TENANT_ID"
        " and AZURE_CLIENT_SECRET, or set account_key or sas_token of the azure storage.",
        codes=[(status, "") for status in _NO_ACCESS],
    ),
    Meaning(
        RefusedError,
        "The container {container} at {host} refuses the {account} ({code}): correct the settings account and"
        " {account}, or the firewall of the account.",
        codes=_NO_ACCESS,
    ),
    Meaning(
        RefusedError,
        "There is no container {container} at {host}: make it, or correct the setting container.",
        codes=[(404, code) for code in ("ContainerNotFound", "ContainerDisabled", "ContainerBeingDeleted")],
    ),
    Meaning(
        RefusedError,
        "Another program has begun to write this object in the container {container}, in blocks that ours cannot be"
        " mixed with: let it finish, or delete the object; Azure forgets them within a week.",
        codes=("InvalidBlobOrBlock",),
    ),
    Meaning(
        NotFoundError,
        "There is no such object, or it has another version.",
        codes=(404, "InvalidBlockList"),  # the blocks are gone where another has committed meanwhile
    ),
    Meaning(
        RefusedError,
        "The container {container} protects this object ({code}): a lease or an immutability policy does not let it be"
        " replaced or deleted.",
        codes=_HOLDS,
    ),
    Meaning(
        AlreadyExistsError,
        "The object is there already, or has changed.",
        codes=("BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"),
    ),
    Meaning(UnavailableError, _DAMAGED, codes=(400,), words=_CHECKSUM),
    Meaning(
        BusyError,
        "The container {container} at {host} cannot take requests at the moment (status {status} {code}): try later.",
        codes=(408, 409, 412, 429, *range(500, 600)),
    ),
    Meaning(
        RefusedError,
        "The store at {host} refuses the request (status {status} {code}): check the settings endpoint, account and"
        " container.",
        codes=range(100, 500),
    ),
    Meaning(UnavailableError, _DAMAGED, words=_CHECKSUM),  # the SDK's own comparison, which has no status
    Meaning(UnavailableError, "The request to {host} failed ({code}): try again."),
)


class Failures:
    """Makes errors of what the SDK raises, with the names of one configuration."""

    def __init__(self, container: str, host: str, account: str, setting: str) -> None:
        self._meanings = Meanings(_MEANINGS, {"container": container, "host": host, "account": account})
        self._host, self._setting = host, setting

    @contextmanager
    def translated(self) -> Iterator[None]:
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
            code = type(error).__name__
            raise self._meanings.error(error, code, text=str(error).lower(), code=code) from error

    def _answer(self, error: HttpResponseError) -> BackendError:
        code = str(getattr(getattr(error, "error_code", ""), "value", getattr(error, "error_code", "")) or "")
        status = error.status_code or 0
        holds = [hold for hold in _HOLDS if hold in code]
        text = f"{code} {error}".lower()
        made = self._meanings.error(error, status, code, (status, code), *holds, text=text, status=status, code=code)
        return with_retry_after(made, getattr(error.response, "headers", None) or {})
