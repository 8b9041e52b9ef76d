"""The extension: it records events in the trail, and has them published."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from dicom_common.audit._outbox import publish
from dicom_common.audit._settings import AuditSettings
from dicom_common.audit._trail import Trail
from dicom_common.core import AuditEvent, Database, DicomCommonError, hookimpl
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = ["Recorder"]

_log = logging.getLogger(__name__)
_PAUSE = 30.0
"""Seconds until an index that was away is tried again."""
_PUBLISH_SECONDS = 5.0
"""Publishing may take so long. The record is durable by then: a hang here must not count as one of the extension, which
is no longer called after three of them."""


class Recorder:
    """Records events in a trail, and publishes them where the settings say so.

    Args:
        settings: of the table `[audit]`.
        db: returns the index whose outbox the events go through.

    Raises:
        ConfigError: the settings are wrong, or the key cannot be read.
    """

    def __init__(self, settings: AuditSettings, db: Callable[[], Database] | None = None) -> None:
        self.settings = settings
        self.trail = Trail(settings)
        self._db = db
        self._not_before = 0.0

    @hookimpl
    def dicom_common_audit(self, events: Sequence[AuditEvent]) -> None:
        """Make the events durable, then publish them if that is possible."""
        self.trail.append(events)
        if self._db is not None and time.monotonic() >= self._not_before:
            self._publish(self._db)

    @hookimpl
    def dicom_common_audit_refusal(self) -> str | None:
        """Return why an operation must not begin, where the settings say that it must be recorded."""
        return self.trail.refusal() if self.settings.required else None

    def close(self) -> None:
        """Nothing is held between two events."""

    def _publish(self, db: Callable[[], Database]) -> None:
        try:
            call_within(_PUBLISH_SECONDS, lambda: publish(self.trail.folder, db(), self.settings.topic))
        except (DicomCommonError, OSError) as error:  # a TimeoutError is one
            self._not_before = time.monotonic() + _PAUSE
            why = str(error) if isinstance(error, DicomCommonError) else type(error).__name__
            if isinstance(error, TimeLimitError):
                why = f"no answer within {_PUBLISH_SECONDS:g} s"
            _log.warning("audit events wait in the trail until the index takes them: %s", why)
