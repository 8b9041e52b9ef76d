"""Calling the extensions that the configuration enables, so that none of them can harm a store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from dicom_common.core._audit import AuditEvent
from dicom_common.core._errors import BrokenPluginError, PluginError
from dicom_common.core._loading import Plugins
from dicom_common.core._patience import TimeLimitError, call_within
from dicom_common.core._records import Instance, Origin, Stored
from dicom_common.core._tracebacks import TRACEBACKS

if TYPE_CHECKING:
    from dicom_common.core._services import Services

__all__ = ["Extensions"]

_log = logging.getLogger(__name__)
_MAX_HANGS = 3
_IMPORT_LIMIT = 60.0
"""Seconds for the import of an extension: from a slow disk it may take longer than a call."""


class Extensions:
    """The enabled extensions, in the order of the configuration. Thread-safe.

    An extension that fails or hangs is isolated: `accept` then refuses the instance (a gate that is broken stays shut;
    the sender keeps the instance and may try again), `stored` and `audit` have no say any more. One that hung three
    times is not called again.
    """

    def __init__(self, services: Services, plugins: Plugins, names: Sequence[str], time_limit: float) -> None:
        self._services = services
        self._time_limit = time_limit
        self._hangs = dict.fromkeys(names, 0)
        self._accept: dict[str, pluggy.HookCaller] = {}
        self._stored: dict[str, pluggy.HookCaller] = {}
        self._commands: dict[str, pluggy.HookCaller] = {}
        self._audit: dict[str, pluggy.HookCaller] = {}
        self._audit_refusal: dict[str, pluggy.HookCaller] = {}
        for name in names:
            hooks = plugins.extension(name, time_limit=_IMPORT_LIMIT).hook
            offered = 0
            for hook, callers in (
                (hooks.dicom_common_accept, self._accept),
                (hooks.dicom_common_stored, self._stored),
                (hooks.dicom_common_commands, self._commands),
                (hooks.dicom_common_audit, self._audit),
                (hooks.dicom_common_audit_refusal, self._audit_refusal),
            ):
                if hook.get_hookimpls():
                    callers[name] = hook
                    offered += 1
            if not offered:
                raise BrokenPluginError(f"The extension {name!r} implements no hook: remove it from `extensions`.")

    def accept(self, tenant: str, instance: Instance, origin: Origin) -> str | None:
        """Ask every extension whether the instance may be stored; the first reason against it, or None."""
        for name, hook in self._accept.items():
            try:
                reasons = self._call(name, hook, tenant=tenant, instance=instance, origin=origin)
            except _FailedError as error:
                return str(error)
            if reasons:
                return f"extension {name}: {reasons[0]}"
        return None

    def stored(self, instances: Sequence[Stored]) -> None:
        """Tell every extension of instances that were stored. Never raises."""
        for name, hook in self._stored.items():
            try:
                self._call(name, hook, instances=instances)
            except _FailedError as error:
                _log.warning("%s; what was stored stays stored", error)

    @property
    def audits(self) -> bool:
        """Whether anybody wants audit events: where not, none need be made."""
        return bool(self._audit)

    def audit_refusal(self) -> str | None:
        """Ask every extension whether what is about to be done could be recorded; the first reason against, or None."""
        for name, hook in self._audit_refusal.items():
            try:
                reasons = self._call(name, hook, services=self._services)
            except _FailedError as error:
                return str(error)
            if reasons:
                return f"extension {name}: {reasons[0]}"
        return None

    def audit(self, events: Sequence[AuditEvent]) -> bool:
        """Have every extension record what happened, and return whether all did. Never raises.

        One that fails is told in the log, as an error, with the kinds and ids of the events.
        """
        recorded = True
        if not events:
            return recorded
        for name, hook in self._audit.items():
            try:
                self._call(name, hook, services=self._services, events=events)
            except _FailedError as error:
                recorded = False
                lost = ", ".join(f"{event.kind} {event.id}" for event in events)
                _log.error("%s; NOT in its audit trail: %s", error, lost)
        return recorded

    def commands(self) -> list[Any]:
        """Collect the subcommands of all extensions; one that fails has none."""
        found: list[Any] = []
        for name, hook in self._commands.items():
            try:
                for commands in self._call(name, hook):
                    found.extend(commands)
            except (_FailedError, TypeError) as error:
                why = error if isinstance(error, _FailedError) else f"extension {name} returned no list of commands"
                _log.warning("%s; its subcommands are missing", why)
        return found

    def _call(self, name: str, hook: pluggy.HookCaller, **arguments: Any) -> list[Any]:
        if self._hangs[name] >= _MAX_HANGS:
            raise _FailedError(f"extension {name} does not answer any more")
        try:
            answers: list[Any] = call_within(self._time_limit, hook, **arguments)
        except TimeLimitError:
            self._hangs[name] += 1
            raise _FailedError(f"extension {name} did not answer within {self._time_limit:g} s") from None
        except (Exception, SystemExit) as error:
            # Its message may hold anything, a patient's name too: only its kind is told.
            TRACEBACKS.debug("extension %s failed", name, exc_info=error)
            raise _FailedError(f"extension {name} failed ({type(error).__name__})") from error
        return answers


class _FailedError(PluginError):
    """An extension failed or hung; the message may be shown to a sender."""
