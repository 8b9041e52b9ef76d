"""What the audit trail has to know of peers that were not let in (PS3.15 A.5.3.11, Node Authentication)."""

from __future__ import annotations

import threading
import time
from typing import Final

from dicom_common.core import AuditEvent, AuditKind, AuditOutcome
from dicom_common.host import Services

__all__ = ["Alerts"]

_QUIET_SECONDS: Final = 60.0
"""For so long an address that failed is not recorded again for the same: a trail is not to be filled by a peer."""
_MOST: Final = 1024


class Alerts:
    """Records security alerts. Thread-safe.

    Args:
        services: with the audit trail.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], float] = {}

    def record(self, address: str, why: str) -> None:
        """Record that an address was not let in, unless that was done a moment ago."""
        if not self._services.config.general.extensions or not self._services.extensions.audits:
            return
        now = time.monotonic()
        with self._lock:
            if now - self._last.get((address, why), -_QUIET_SECONDS) < _QUIET_SECONDS:
                return
            self._last = {key: since for key, since in self._last.items() if now - since < _QUIET_SECONDS}
            if len(self._last) >= _MOST:
                return
            self._last[address, why] = now
        event = AuditEvent(
            kind=AuditKind.SECURITY_ALERT,
            address=address,
            outcome=AuditOutcome.MINOR_FAILURE,
            reason=f"an association was refused: {why}",
        )
        self._services.extensions.audit([event])
