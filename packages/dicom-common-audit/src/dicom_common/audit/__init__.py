"""An audit trail of DICOM audit messages (PS3.15 A.5) in files, chained so that every change shows.

An extension of dicom-common: `extensions = ["audit"]` in the configuration turns it on, the table `[audit]` says how.
"""

from collections.abc import Sequence

from dicom_common.audit._chain import Keys
from dicom_common.audit._folder import TrailFolder
from dicom_common.audit._message import audit_message
from dicom_common.audit._recorder import Recorder
from dicom_common.audit._settings import AuditSettings
from dicom_common.audit._trail import Trail
from dicom_common.audit._verify import Flaw, FlawKind, Verification, verify
from dicom_common.core import Backend, hookimpl

__all__ = [
    "AuditSettings",
    "Flaw",
    "FlawKind",
    "Keys",
    "Recorder",
    "Trail",
    "TrailFolder",
    "Verification",
    "audit_message",
    "verify",
]


def _built_on(settings: AuditSettings) -> Sequence[str]:
    return ["db"] if settings.publish else []


@hookimpl
def dicom_common_extension() -> Backend[Recorder]:
    """Offer the audit trail."""
    return Backend("audit", AuditSettings, Recorder, built_on=_built_on)
