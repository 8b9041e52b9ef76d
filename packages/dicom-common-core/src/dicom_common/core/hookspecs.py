"""The hook specifications: everything that a plugin can offer (pluggy)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from dicom_common.core._audit import AuditEvent
    from dicom_common.core._auth import Authenticator
    from dicom_common.core._backend import Backend, Extension
    from dicom_common.core._broker import Broker
    from dicom_common.core._cache import Cache
    from dicom_common.core._database import Database
    from dicom_common.core._keyring import Keyring
    from dicom_common.core._records import Instance, Origin, Stored
    from dicom_common.core._storage import Storage

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "dicom_common"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of the same name."""

# Backends: exactly one of each kind is chosen by name, and only that plugin is imported.


@hookspec
def dicom_common_storage() -> Backend[Storage]:  # type: ignore[empty-body]  # a specification has no body
    """Offer an object storage."""


@hookspec
def dicom_common_db() -> Backend[Database]:  # type: ignore[empty-body]
    """Offer an index."""


@hookspec
def dicom_common_cache() -> Backend[Cache]:  # type: ignore[empty-body]
    """Offer a cache."""


@hookspec
def dicom_common_broker() -> Backend[Broker]:  # type: ignore[empty-body]
    """Offer a message broker."""


@hookspec
def dicom_common_auth() -> Backend[Authenticator]:  # type: ignore[empty-body]
    """Offer an authenticator."""


@hookspec
def dicom_common_keyring() -> Backend[Keyring]:  # type: ignore[empty-body]
    """Offer a keyring."""


# Extensions: every one that the configuration enables is opened like a backend, to an object whose methods implement
# the hooks below; they are called in the order of the configuration.


@hookspec
def dicom_common_extension() -> Backend[Extension]:  # type: ignore[empty-body]
    """Offer an extension.

    Its settings are the table of the extension's name. What it is built on is given to `open` as functions that return
    the live backend: an extension can be opened while a server is down.
    """


@hookspec(firstresult=True)
def dicom_common_accept(tenant: str, instance: Instance, origin: Origin) -> str | None:
    """Refuse an instance before it is stored: return a reason in a few words, or None to let it pass.

    The reason reaches the sender and the log: nothing of the data set belongs in it.
    """


@hookspec
def dicom_common_stored(instances: Sequence[Stored]) -> None:
    """Learn of instances that were stored and indexed, after the commit."""


@hookspec
def dicom_common_audit(events: Sequence[AuditEvent]) -> None:
    """Record what happened, durably before this returns; raise where that fails.

    The events lie in the past: an error is logged, and undoes nothing.
    """


@hookspec(firstresult=True)
def dicom_common_audit_refusal() -> str | None:
    """Refuse an operation before it begins, because it could not be recorded: return a reason in a few words, or None.

    It is asked before every operation that will be an event, so it has to be quick. A trail that operations must not
    wait for returns None.
    """


# Commands: a package registers each under `dicom_common.commands`, by the command's name.


@hookspec
def dicom_common_commands() -> Sequence[Any]:  # type: ignore[empty-body]
    """Offer subcommands of `dicom-common`: click commands."""
