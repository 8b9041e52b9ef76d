"""Whether the storage works, and for how long it still will."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dicom_common.core import BackendError, Health, HealthStatus

__all__ = ["check_root"]

_LITTLE = 0.05


def check_root(path: Path, probe: Callable[[], None], *, fsync: bool) -> Health:
    """Run the probe and look at the free space.

    Args:
        path: the root folder.
        probe: writes, reads and deletes; raises a BackendError where that does not work.
        fsync: whether writes wait for the disk.

    Raises:
        BackendError: the storage does not work.
    """
    probe()
    try:
        space = os.statvfs(path)
    except OSError as error:
        raise BackendError(f"The storage folder {path} is not there any more: {error.strerror}.") from error
    free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    facts: dict[str, str | int | float | bool] = {
        "root": str(path),
        "free_bytes": free,
        "total_bytes": total,
        "free_files": space.f_favail,
        "fsync": fsync,
    }
    if free < total * _LITTLE or (space.f_files and space.f_favail < space.f_files * _LITTLE):
        return Health(
            status=HealthStatus.DEGRADED,
            detail=f"The storage folder {path} is nearly full: {free / 1e9:.1f} GB are free.",
            facts=facts,
        )
    if not fsync:
        return Health(
            status=HealthStatus.DEGRADED,
            detail="The storage works, but fsync is off: a power failure loses objects that were acknowledged.",
            facts=facts,
        )
    return Health(
        status=HealthStatus.OK,
        detail=f"Objects can be written and read in {path}; {free / 1e9:.1f} GB are free.",
        facts=facts,
    )
