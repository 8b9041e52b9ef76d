"""Publishing events beside another command, so that a single machine needs no relay of its own."""

from __future__ import annotations

import threading

from dicom_common.cli._output import note
from dicom_common.cli._session import Session
from dicom_common.core import DicomCommonError

__all__ = ["RelayThread"]

_HOLD = 0.5
"""Seconds before the first round. A short command is over by then: all its events are published together at its end,
and until then the thread takes no time from its work."""
_DRAIN = 5.0
"""Seconds that the end of the command may be held up by events."""
_END = 10.0
"""Seconds that a batch in flight may take to end."""


class RelayThread:
    """Publishes events in a thread, from `start` on. Events that stay in the outbox are no failure of the command."""

    def __init__(self, session: Session) -> None:
        from dicom_common.pipeline import Relay  # noqa: PLC0415 - no other command needs it

        self._session, self._services = session, session.services
        self._relay = Relay(self._services)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._failure: DicomCommonError | None = None

    def start(self) -> None:
        """Begin soon, once there may be events; a second call does nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def finish(self) -> None:
        """Publish what waits, for a few seconds, and say what is left."""
        self._stop.set()
        if self._thread.ident is None:
            return
        self._thread.join(_END)
        try:
            is_over = self._thread.is_alive() or self._failure
            waiting = self._services.db.backlog().events if is_over else self._drain()
        except DicomCommonError as error:
            note(f"Events wait in the outbox; `dicom-common relay` publishes them. {error}")
        else:
            why = f" {self._failure}" if self._failure else ""
            if waiting:
                note(f"{waiting} events wait in the outbox; `dicom-common relay` publishes them.{why}")

    def _drain(self) -> int:
        try:
            return self._relay.drain(_DRAIN)
        finally:
            self._relay.release()

    def close(self) -> None:
        """Stop. Where the thread hangs in a backend, the backends stay open: it ends with the process."""
        self._stop.set()
        if self._thread.ident is not None and self._thread.is_alive():
            self._session.abandon()

    def _run(self) -> None:
        if self._stop.wait(_HOLD):
            return
        try:
            self._relay.run(self._stop)
        except DicomCommonError as error:
            self._failure = error
