"""The health of a backend, as a host makes it of `check`."""

from __future__ import annotations

from typing import Protocol

from dicom_common.core import BackendError, Health, HealthStatus

__all__ = ["health_of"]


class _Checked(Protocol):
    def check(self) -> Health: ...


def health_of(backend: _Checked) -> Health:
    """Return the health of a backend; a `BackendError` that `check` raises is a failure with its sentence."""
    try:
        health = backend.check()
    except BackendError as error:
        return Health(status=HealthStatus.FAILED, detail=str(error))
    assert isinstance(health, Health)
    return health
