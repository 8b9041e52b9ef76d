"""Calling a plugin to open, to close, and to name what it is built on: whatever it raises is a failure of its own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from dicom_common import core
from dicom_common.core import (
    STORAGES,
    Backend,
    BackendError,
    BrokenPluginError,
    ConfigError,
    DicomCommonError,
)
from dicom_common.host._contracts import CONTRACTS, Contract
from dicom_common.host._loading import let_through
from dicom_common.host._plugin_metadata import KINDS

__all__ = ["built_on", "close_backend", "open_backend", "warn_of_deprecated"]

_log = logging.getLogger(__name__)


def built_on(backend: Backend[Any], table: str, settings: Any) -> Sequence[str]:
    """Ask a plugin which tables it is built on.

    Raises:
        BrokenPluginError: it does not say.
        ConfigError: one of them is not a kind of backend.
    """
    if backend.built_on is None:
        return ()
    try:
        below = list(backend.built_on(settings))
    except DicomCommonError:
        raise
    except BaseException as error:
        let_through(error)
        raise BrokenPluginError(
            f"The {table} plugin {backend.name!r} is broken: it does not name the tables that it is built on"
            f" ({type(error).__name__}). Reinstall or upgrade it."
        ) from error
    for other in map(str, below):
        if other not in KINDS and not other.startswith(STORAGES):
            raise ConfigError(f"There is no kind of backend {other!r}: known are {', '.join(KINDS)}.")
    return below


def open_backend(backend: Backend[Any], table: str, settings: Any, *inner: Any) -> Any:
    """Open a backend or an extension.

    Raises:
        BackendError: it cannot be opened.
    """
    try:
        opened = backend.open(settings, *inner)
    except DicomCommonError:
        raise
    except BaseException as error:
        # A SystemExit too: a plugin must not end the process, and with success. Its message may hold a password, as
        # those of many SDKs do: only its kind is shown.
        let_through(error)
        raise BackendError(
            f"The {table} backend {backend.name!r} cannot be opened ({type(error).__name__}): check its settings."
        ) from error
    warn_of_deprecated(f"The {table} backend {backend.name!r}", opened)
    return opened


def warn_of_deprecated(who: str, opened: Any, contracts: Mapping[str, Contract] = CONTRACTS) -> None:
    """Warn the author of a backend whose Protocol is on its way out; of a hook, pluggy warns.

    A `DeprecationWarning`, which tests show and Python hides from operators, who can do nothing about it.
    """
    for name, contract in contracts.items():
        protocol: Any = getattr(core, name, None)
        # Those that are not for `isinstance` are the kinds themselves, which have hooks.
        if contract.deprecated and getattr(protocol, "_is_runtime_protocol", False) and isinstance(opened, protocol):
            warnings.warn(str(contract.warning(name, who)), DeprecationWarning, stacklevel=2)


def close_backend(name: str, opened: Any) -> None:
    """Close it; a failure is a warning of the log."""
    try:
        opened.close()
    except BaseException as error:  # noqa: BLE001 - one that fails must not keep the others open, nor end the process
        let_through(error)
        _log.warning("closing the %s backend failed (%s)", name, type(error).__name__)
