"""An audit trail of DICOM audit messages (PS3.15 A.5) in files, chained so that every change shows.

An extension of dicom-common: `extensions = ["audit"]` in the configuration turns it on, the table `[audit]` says how.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dicom_common.core import ConfigError, hookimpl

if TYPE_CHECKING:
    from dicom_common.audit._chain import Keys as Keys
    from dicom_common.audit._folder import TrailFolder as TrailFolder
    from dicom_common.audit._message import audit_message as audit_message
    from dicom_common.audit._settings import AuditSettings as AuditSettings
    from dicom_common.audit._trail import Trail as Trail
    from dicom_common.audit._verify import (
        Flaw as Flaw,
        FlawKind as FlawKind,
        Verification as Verification,
        verify as verify,
    )
    from dicom_common.core import AuditEvent
    from dicom_common.host import Services

_HOME_OF = {
    "AuditSettings": "_settings",
    "Flaw": "_verify",
    "FlawKind": "_verify",
    "Keys": "_chain",
    "Trail": "_trail",
    "TrailFolder": "_folder",
    "Verification": "_verify",
    "audit_message": "_message",
    "verify": "_verify",
}
__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - a list, made of the one table

_log = logging.getLogger(__name__)


@hookimpl
def dicom_common_audit(services: Services, events: Sequence[AuditEvent]) -> None:
    """Record what happened."""
    from dicom_common.audit._recorder import recorder_of  # noqa: PLC0415 - imported when the first event comes

    recorder_of(services).record(services, events)


@hookimpl
def dicom_common_audit_refusal(services: Services) -> str | None:
    """Refuse an operation where the trail has to be written and cannot be."""
    from dicom_common.audit._recorder import recorder_of  # noqa: PLC0415

    try:
        return recorder_of(services).refusal()
    except ConfigError as error:
        # The reason may be shown to a sender, whom files and settings do not concern: the log has them.
        _log.error("%s", error)
        return "the audit trail is not configured rightly, as the log tells"


@hookimpl
def dicom_common_commands() -> Sequence[Any]:
    """Offer `dicom-common audit`."""
    from dicom_common.audit._commands import audit  # noqa: PLC0415 - click is for the command line

    return [audit]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
