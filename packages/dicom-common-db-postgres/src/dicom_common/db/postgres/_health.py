"""Whether the index can be read and written, within seconds."""

from __future__ import annotations

import time
from typing import Any

from psycopg.errors import LockNotAvailable

from dicom_common.core import Health, HealthStatus
from dicom_common.db.sql import Pool

__all__ = ["health"]

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
    if pool.in_use >= pool.size:
        detail = f"All {pool.size} connections to {driver.where} are in use: raise db.pool_size."
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    at_once = _ask(pool, facts)
    if not at_once:
        detail = f"{driver.where} can be read; other writers have kept it from being written for {_LOCKED} seconds."
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    if off := [name for name in ("fsync", "full_page_writes") if facts[name] == "off"]:
        detail = (
            f"{driver.where} can be read and written; a crash of the server may lose what was acknowledged: turn"
            f" {' and '.join(off)} on there."
        )
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    return Health(status=HealthStatus.OK, detail=f"{driver.where} can be read and written.", facts=facts)


def _ask(pool: Pool, facts: dict[str, Any]) -> bool:
    """Read and write; False: another transaction holds a lock."""
    start = time.perf_counter()
    with pool.reading() as session:
        session.rows("SELECT 1", ())
        facts["latency_ms"] = round((time.perf_counter() - start) * 1000, 2)
        facts |= dict(zip(_NAMES, session.rows(_FACTS, ())[0], strict=True))
    with pool.writing() as session:
        # Not longer than the host waits for the answer: a connection that waits is missing in the pool.
        session.rows(_LIMITS, ())
        try:
            session.run("UPDATE outbox_lease SET until = until", ())
        except LockNotAvailable:
            return False
    return True
