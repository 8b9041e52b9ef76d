"""An access log loses nothing in a forked process, nor when it is closed while the index is unavailable."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest
from pipeline_site import Site

from dicom_common.core import DicomCommonError, Logs, WebAccess, uuid7
from dicom_common.pipeline import AccessLog

LIMIT = 30


def access() -> WebAccess:
    return WebAccess(id=str(uuid7()), time=datetime.now(UTC), tenant="local", method="GET", path="/studies", status=200)


def logged(site: Site) -> int:
    with site.services() as services:
        assert isinstance(services.db, Logs)
        return services.db.count_log(WebAccess, before=datetime.now(UTC))


def write_many(log: AccessLog) -> None:
    for _ in range(200):
        log.write(access())


def test_a_forked_child_writes_with_a_thread_of_its_own(site: Site) -> None:
    with AccessLog(site.services(), size=5, seconds=0.05) as log:
        log.write(access())
        child = os.fork()
        if not child:
            code = 1
            try:
                # More than may wait: without a thread the last ones would wait without end.
                writer = threading.Thread(target=write_many, args=(log,), daemon=True)
                writer.start()
                writer.join(LIMIT)
                log.close()
                code = 2 if writer.is_alive() else 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        log.write(access())
    assert logged(site) == 202
    assert len(site.events("webapi_access_queue")) == 202


def test_a_log_that_is_closed_while_the_index_is_unavailable_waits_for_it(site: Site) -> None:
    site.store()
    services = site.services(db__busy_timeout="0.1")
    log = AccessLog(services, size=100, seconds=60)
    for _ in range(250):
        log.write(access())
    with closing(sqlite3.connect(site.data / "index.sqlite", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")  # another process has its lock
        back = threading.Timer(3, other.execute, ["ROLLBACK"])
        back.start()
        log.write(access())
        log.close()
        back.join()
    assert log.lost == 0
    assert logged(site) == 251
    with pytest.raises(DicomCommonError, match="closed"):
        log.write(access())
