"""`dicom_common.native`, where dicom-common-native is installed: this is the only place that imports it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final

__all__ = ["native_module"]

_INTERFACE: Final = 1
"""What is asked of it and told by it; an older or newer one is left alone."""


@cache
def native_module() -> Any:
    """Import it; None where it is not installed, or is of a version that does not go with this package."""
    try:
        module = import_module("dicom_common.native")
    except ImportError:
        return None
    return module if getattr(module, "INTERFACE", None) == _INTERFACE else None
