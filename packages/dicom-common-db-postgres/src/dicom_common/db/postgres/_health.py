"""Whether the index can be read and written, within seconds."""

from __future__ import annotations

import time
from typing import Any

from psycopg.errors import LockNotAvailable

from dicom_common.core import Health, HealthStatus
from dicom_common.db.sql.server import Pool
from dicom_common.toolkit import Backoff

__all__ = ["health"]

_CROWDED = 2.0
"""Seconds that the check waits for a free connection; a busy server is short of one for moments."""
_LOCKED = 2
_LIMITS = f"SELECT set_config('lock_timeout', '{_LOCKED}s', true), set_config('statement_timeout', '4s', true)"
_FACTS = """SELECT current_setting('server_version'),
 pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, current_setting('fsync'),
 current_setting('full_page_writes'), current_setting('synchronous_commit'), current_setting('max_connections')::int,
 (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())"""

_NAMES = (
    *("server_version", "read_only", "fsync", "full_page_writes", "synchronous_commit"),
    *("max_connections", "connections"),
)


def health(pool: Pool) -> Health:
    """See `Database.check`."""
    driver = pool.driver
    facts: dict[str, str | int | float | bool] = {"pool_size": pool.size, "pool_in_use": pool.in_use}
    crowded = Backoff(time_limit=_CROWDED, longest=0.2)
    while pool.in_use >= pool.size:
        if not crowded.wait():
            detail = f"All {pool.size} connections to {driver.where} are in use: raise db.pool_size."
            return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    facts |= _asked(pool)
    if facts["read_only"]:
        detail = f"{driver.where} can be read only: name the primary server in db.host, or try again after a failover."
        return Health(status=HealthStatus.FAILED, detail=detail, facts=facts)
    if not _takes_writes(pool):
        detail = f"{driver.where} can be read; other writers have kept it from being written for {_LOCKED} seconds."
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    if off := [name for name in ("fsync", "full_page_writes") if facts[name] == "off"]:
        detail = (
            f"{driver.where} can be read and written; a crash of the server may lose what was acknowledged: turn"
            f" {' and '.join(off)} on there."
        )
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    return Health(status=HealthStatus.OK, detail=f"{driver.where} can be read and written.", facts=facts)


def _asked(pool: Pool) -> dict[str, Any]:
    with pool.reading() as session:
        start = time.perf_counter()
        session.rows("SELECT 1", ())
        latency = round((time.perf_counter() - start) * 1000, 2)
        return {"latency_ms": latency, **dict(zip(_NAMES, session.rows(_FACTS, ())[0], strict=True))}


def _takes_writes(pool: Pool) -> bool:
    """Write something; False: another transaction holds a lock."""
    with pool.writing() as session:
        # Not longer than the host waits for the answer: a connection that waits is missing in the pool.
        session.rows(_LIMITS, ())
        try:
            session.run("UPDATE outbox_lease SET until = until", ())
        except LockNotAvailable:
            return False
    return True
