"""The trail of each set of services, and what the hooks do with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from dicom_common.audit._outbox import publish
from dicom_common.audit._settings import AuditSettings
from dicom_common.audit._trail import Trail
from dicom_common.core import AuditEvent, DicomCommonError, call_within
from dicom_common.host import Services

__all__ = ["Recorder", "recorder_of", "trail_of"]

_log = logging.getLogger(__name__)
_PAUSE = 30.0
"""Seconds until an index that was away is tried again."""

_lock = threading.Lock()
_recorders: WeakKeyDictionary[Services, Recorder] = WeakKeyDictionary()


class Recorder:
    """Records events in a trail, and has them published."""

    def __init__(self, services: Services) -> None:
        self.settings = services.settings("audit", AuditSettings)
        self.trail = Trail(self.settings)
        self._not_before = 0.0

    def record(self, services: Services, events: Sequence[AuditEvent]) -> None:
        """Make the events durable, then publish them if that is possible.

        Raises:
            UnavailableError: the trail cannot be written.
        """
        self.trail.append(events)
        if self.settings.publish and time.monotonic() >= self._not_before:
            self._publish(services)

    def refusal(self) -> str | None:
        """Return why an operation must not begin, where the settings say that it must be recorded."""
        return self.trail.refusal() if self.settings.required else None

    def _publish(self, services: Services) -> None:
        # The record is durable: what hangs here must not count as an extension that hangs, which is called no more.
        limit = services.config.general.extension_time_limit / 2
        try:
            call_within(limit, lambda: publish(self.trail.folder, services.db, self.settings.topic))
        except (DicomCommonError, OSError) as error:  # a TimeoutError is one
            self._not_before = time.monotonic() + _PAUSE
            why = str(error) if isinstance(error, DicomCommonError) else type(error).__name__
            _log.warning("audit events wait in the trail until the index takes them: %s", why)


def recorder_of(services: Services) -> Recorder:
    """Return the recorder of a set of services.

    Raises:
        ConfigError: the table `[audit]` is wrong.
    """
    with _lock:
        found = _recorders.get(services)
        if found is None:
            found = _recorders[services] = Recorder(services)
        return found


def trail_of(services: Services) -> Trail:
    """Return the trail of a set of services.

    Raises:
        ConfigError: the table `[audit]` is wrong.
    """
    return recorder_of(services).trail
