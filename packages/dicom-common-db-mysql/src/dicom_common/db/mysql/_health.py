"""Whether the index can be read and written, within seconds, and whether what was acknowledged lasts."""

from __future__ import annotations

import time

from dicom_common.core import Health, HealthStatus
from dicom_common.db.mysql._driver import MysqlDriver
from dicom_common.db.sql.server import Pool

__all__ = ["health"]

_OFF = ("0", "OFF", "DETECT_ONLY")
"""How the products write that a switch is off; the last is of MySQL's innodb_doublewrite."""
_FACTS = (
    "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog, @@innodb_doublewrite, @@global.read_only,"
    " {isolation}"
)

Facts = dict[str, str | int | float | bool]


def health(pool: Pool, driver: MysqlDriver) -> Health:
    """See `Database.check`."""
    facts: Facts = {
        "database": driver.database,
        "product": driver.product,
        "version": driver.version,
        "connections": pool.in_use,
        "pool_size": pool.size,
    }
    facts |= _ask(pool, "@@tx_isolation" if driver.mariadb else "@@transaction_isolation")
    detail = f"{driver.where} can be read and written"
    if facts["read_only"]:
        detail += (
            f", but only because the user {driver.user!r} may write to a read-only server: name the server in"
            " db.host that takes writes, and see that the user has no right to more."
        )
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    if wanted := _not_lasting(facts):
        detail += f"; a crash of the server may lose what was acknowledged: set {' and '.join(wanted)} there."
        return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
    return Health(status=HealthStatus.OK, detail=f"{detail}.", facts=facts)


def _not_lasting(facts: Facts) -> list[str]:
    """Return the settings of the server by which what was acknowledged may be lost, as they should be."""
    wanted = []
    if facts["flush_log_at_commit"] != 1:
        wanted.append("innodb_flush_log_at_trx_commit = 1")
    if facts["log_bin"] and facts["sync_binlog"] != 1:
        wanted.append("sync_binlog = 1")
    if not facts["doublewrite"]:
        wanted.append("innodb_doublewrite = ON")
    return wanted


def _ask(pool: Pool, isolation: str) -> Facts:
    with pool.reading() as session:
        start = time.perf_counter()
        ((flush, log_bin, sync_binlog, doublewrite, read_only, level),) = session.rows(
            _FACTS.format(isolation=isolation), ()
        )
        took = time.perf_counter() - start
        ((_, protocol),) = session.rows("SHOW SESSION STATUS LIKE 'Ssl_version'", ())
        session.run("UPDATE outbox_lease SET until = until", ())
    return {
        "isolation": level,
        "flush_log_at_commit": flush,
        "log_bin": _is_on(log_bin),
        "sync_binlog": sync_binlog,
        "doublewrite": _is_on(doublewrite),
        "read_only": _is_on(read_only),
        "tls": protocol or "none",
        "latency_ms": round(took * 1000, 3),
    }


def _is_on(value: object) -> bool:
    return str(value).upper() not in _OFF
