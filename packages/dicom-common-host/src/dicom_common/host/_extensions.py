"""Calling the extensions that the configuration enables, so that none of them can harm a store."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from dicom_common.core import AuditEvent, BrokenPluginError, Extension, Instance, Origin, PluginError, Stored
from dicom_common.host._loading import CALLED_HOOKS, misfit
from dicom_common.host._tracebacks import TRACEBACKS
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = ["Extensions"]

_log = logging.getLogger(__name__)
_MAX_HANGS = 3


class Extensions:
    """The enabled extensions, in the order of the configuration. Thread-safe.

    An extension that fails, hangs or answers anything but None or a text is isolated: `accept` then refuses the
    instance (a gate that is broken stays shut; the sender keeps the instance and may try again), `stored` and `audit`
    have no say any more. One that hung three times is not called again.

    Args:
        manager: knows the hook specifications.
        opened: the live extensions by their names.
        time_limit: seconds that one may take for one call.

    Raises:
        BrokenPluginError: one implements no hook, or not as specified.
    """

    def __init__(self, manager: pluggy.PluginManager, opened: Mapping[str, Extension], time_limit: float) -> None:
        self._opened = opened
        self._time_limit = time_limit
        self._hangs = dict.fromkeys(opened, 0)
        for name, extension in opened.items():
            _register(manager, name, extension)
        # Each is called by itself, so that one that fails or hangs takes no other with it.
        self._callers: dict[str, dict[str, pluggy.HookCaller]] = {hook: {} for hook in CALLED_HOOKS}
        for name, extension in opened.items():
            others = [plugin for plugin in manager.get_plugins() if plugin is not extension]
            offered = {caller.name for caller in manager.get_hookcallers(extension) or ()}
            for hook in offered & self._callers.keys():
                self._callers[hook][name] = manager.subset_hook_caller(hook, others)
            if not offered:
                raise BrokenPluginError(f"The extension {name!r} implements no hook: remove it from `extensions`.")

    def __getitem__(self, name: str) -> Extension:
        """Return a live extension by its name; KeyError where it is not enabled."""
        return self._opened[name]

    def accept(self, tenant: str, instance: Instance, origin: Origin) -> str | None:
        """Ask every extension whether the instance may be stored; the first reason against it, or None."""
        return self._first("dicom_common_accept", tenant=tenant, instance=instance, origin=origin)

    def stored(self, instances: Sequence[Stored]) -> None:
        """Tell every extension of instances that were stored. Never raises."""
        for name, caller in self._callers["dicom_common_stored"].items():
            try:
                self._call(name, caller, instances=instances)
            except _FailedError as error:
                _log.warning("%s; what was stored stays stored", error)

    @property
    def audits(self) -> bool:
        """Whether an extension keeps an audit trail: where none does, no events need be made."""
        return bool(self._callers["dicom_common_audit"])

    def audit_refusal(self) -> str | None:
        """Ask every extension whether what is about to be done could be recorded; the first reason against, or None."""
        return self._first("dicom_common_audit_refusal")

    def audit(self, events: Sequence[AuditEvent]) -> bool:
        """Have every extension record what happened, and return whether all did. Never raises.

        A failure is logged as an error, with the kinds and ids of the events.
        """
        recorded = True
        if not events:
            return recorded
        for name, caller in self._callers["dicom_common_audit"].items():
            try:
                self._call(name, caller, events=events)
            except _FailedError as error:
                recorded = False
                lost = ", ".join(f"{event.kind} {event.id}" for event in events)
                _log.error("%s; NOT in its audit trail: %s", error, lost)
        return recorded

    def close(self) -> None:
        """Close every extension, the last one first; one that fails or hangs keeps no other open."""
        for name, extension in reversed(list(self._opened.items())):
            try:
                call_within(self._time_limit, extension.close)
            except TimeLimitError:
                _log.warning("closing the extension %s took longer than %g s", name, self._time_limit)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - see above
                _log.warning("closing the extension %s failed (%s)", name, type(error).__name__)

    def _first(self, hook: str, **arguments: Any) -> str | None:
        for name, caller in self._callers[hook].items():
            try:
                reason = self._call(name, caller, **arguments)
            except _FailedError as error:
                return str(error)
            if reason is not None:
                return f"extension {name}: {reason}" if _is_reason(reason) else _no_reason(name, hook, reason)
        return None

    def _call(self, name: str, caller: pluggy.HookCaller, **arguments: Any) -> Any:
        if self._hangs[name] >= _MAX_HANGS:
            raise _FailedError(f"extension {name} does not answer any more")
        try:
            return call_within(self._time_limit, caller, **arguments)
        except TimeLimitError:
            self._hangs[name] += 1
            raise _FailedError(f"extension {name} did not answer within {self._time_limit:g} s") from None
        except (Exception, SystemExit) as error:
            # Its message may hold anything, a patient's name too: only its kind is shown.
            TRACEBACKS.debug("extension %s failed", name, exc_info=error)
            raise _FailedError(f"extension {name} failed ({type(error).__name__})") from error


def _is_reason(answer: object) -> bool:
    return isinstance(answer, str) and bool(answer.strip())


def _no_reason(name: str, hook: str, answer: object) -> str:
    """Say what is wrong with an answer; the answer itself may be anything."""
    what = "an empty text" if isinstance(answer, str) else f"a value of type {type(answer).__name__}"
    return (
        f"extension {name}: its {hook} returned {what}; it has to return None to accept, or a text with the reason to"
        " refuse: upgrade the extension"
    )


def _register(manager: pluggy.PluginManager, name: str, extension: Extension) -> None:
    try:
        manager.register(extension, f"extension {name}")
        manager.check_pending()
    except Exception as error:  # pluggy looks at every attribute, and each may be a property
        raise BrokenPluginError(
            f"The hooks of the extension {name!r} do not fit those of this core ({misfit(error)}): upgrade it, or"
            " remove it from `extensions`."
        ) from error


class _FailedError(PluginError):
    """An extension failed or hung; the message may be shown to a sender."""
