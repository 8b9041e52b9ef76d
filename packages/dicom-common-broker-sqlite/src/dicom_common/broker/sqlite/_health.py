"""Whether the broker can be published to."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from dicom_common.broker.sqlite._file import connect, translated, writing
from dicom_common.core import BackendError, Health, HealthStatus
from dicom_common.toolkit import others_may

__all__ = ["check_file"]

_SECONDS = 3.0
_LITTLE = 0.05


def check_file(path: Path) -> Health:
    """Write to the file on a connection of its own, which waits for less long than a publisher would.

    Raises:
        BackendError: the file cannot be written.
    """
    with closing(connect(path, _SECONDS)) as connection, translated(path):
        with writing(connection):
            connection.execute("INSERT INTO probe VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = value + 1")
        [(messages, topics)] = connection.execute(
            "SELECT coalesce(sum(next - first), 0), count(DISTINCT topic) FROM partitions"
        )
    try:
        space = os.statvfs(path.parent)
        size = path.stat().st_size
        warning = others_may(path)
    except OSError as error:
        raise BackendError(f"The broker's file {path} is not there any more: {error.strerror}.") from error
    free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
    facts = {"path": str(path), "messages": messages, "topics": topics, "file_bytes": size, "free_bytes": free}
    if free < total * _LITTLE:
        return Health(
            status=HealthStatus.DEGRADED,
            detail=f"The disk of the broker's file {path} is nearly full: {free / 1e9:.1f} GB are free.",
            facts=facts,
        )
    if warning:
        return Health(status=HealthStatus.DEGRADED, detail=warning, facts=facts)
    return Health(status=HealthStatus.OK, detail=f"{path} can be written; it keeps {messages} messages.", facts=facts)
