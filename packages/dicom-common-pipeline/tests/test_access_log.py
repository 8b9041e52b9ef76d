"""The log of web requests: each record and its message once, in few transactions, whatever the index does meanwhile."""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from documents_site import Told, tell
from pipeline_site import Site

from dicom_common.core import BackendError, DicomCommonError, Event, Logs, UnavailableError, WebAccess
from dicom_common.host import Services
from dicom_common.pipeline import AccessLog, Relay

START = datetime(2026, 1, 2, tzinfo=UTC)


def access(number: int, **fields: Any) -> WebAccess:
    given: dict[str, Any] = {"tenant": "local", "method": "GET", "path": f"/studies/{number}", "status": 200} | fields
    return WebAccess(id=f"id-{number}", time=START + timedelta(seconds=number), **given)


def logged(services: Services) -> list[str]:
    assert isinstance(services.db, Logs)
    return [one.path for one in services.db.read_log(WebAccess, "local", limit=100_000)]


def waiting(services: Services) -> list[Event]:
    return services.db.pending(100_000, relay="look", lease=0)


@pytest.fixture
def services(site: Site) -> Services:
    return site.services()


def test_each_record_and_each_message_is_written_once(services: Services) -> None:
    with AccessLog(services, size=7) as log:
        for number in range(100):
            log.write(access(number))
    assert logged(services) == [f"/studies/{number}" for number in range(100)]
    events = waiting(services)
    assert [event.id for event in events] == [f"id-{number}" for number in range(100)]
    assert {(event.topic, event.tenant, event.headers["tenant"]) for event in events} == {
        ("webapi_access_queue", "local", "local")
    }
    assert [json.loads(event.body)["path"] for event in events] == logged(services)
    assert log.lost == 0


def test_the_relay_publishes_them_to_the_topic_of_the_settings(site: Site) -> None:
    with site.services(topics__access="who_saw_it") as services:
        with AccessLog(services) as log:
            log.write(access(1))
        assert Relay(services).drain(10) == 0
        with services.broker.consume(["who_saw_it"], "test") as consumer:
            [delivery] = consumer.receive(10, timeout=5)
    assert delivery.message.headers["event-id"] == "id-1"
    assert json.loads(delivery.message.body)["path"] == "/studies/1"


def test_requests_share_transactions(services: Services) -> None:
    db = tell(services, "db")
    with AccessLog(services, size=50, seconds=30) as log, ThreadPoolExecutor(8) as threads:
        list(threads.map(log.write, map(access, range(200))))
    assert db.count("add") <= 5, "four of 50, and perhaps what was left"
    assert sorted(logged(services)) == sorted(f"/studies/{number}" for number in range(200))


def test_a_record_waits_no_longer_than_it_is_said(services: Services) -> None:
    with AccessLog(services, seconds=0.05) as log:
        log.write(access(1))
        end = time.monotonic() + 60
        while not logged(services):
            assert time.monotonic() < end
            time.sleep(0.01)


def slow(db: Told, go_on: threading.Event) -> None:
    db.before["add"] = lambda *_: go_on.wait(60)


def test_a_write_waits_only_where_ten_batches_wait(services: Services) -> None:
    go_on = threading.Event()
    slow(tell(services, "db"), go_on)
    with AccessLog(services, size=2, seconds=0, full_seconds=0.05) as log:
        for number in range(40):
            log.write(access(number))
        assert 40 - log.lost in (20, 21, 22), "ten batches, and the one that is being written"
        go_on.set()
    assert len(logged(services)) == 40 - log.lost


def test_whoever_waits_for_room_goes_on_when_there_is_some(services: Services) -> None:
    go_on = threading.Event()
    slow(tell(services, "db"), go_on)
    with AccessLog(services, size=1, seconds=0, full_seconds=30) as log:
        threading.Timer(0.2, go_on.set).start()
        for number in range(30):
            log.write(access(number))
    assert len(logged(services)) == 30
    assert log.lost == 0


class Failing:
    """Fails as often as it is said."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times = error, times

    def __call__(self, *_: Any) -> None:
        self.times -= 1
        if self.times >= 0:
            raise self.error


def test_an_index_that_is_unavailable_for_a_while_loses_nothing(services: Services) -> None:
    tell(services, "db").before["add"] = Failing(UnavailableError("away"), 3)
    with AccessLog(services, seconds=0) as log:
        for number in range(20):
            log.write(access(number))
        time.sleep(0.05)
    assert len(logged(services)) == 20
    assert log.lost == 0


def test_what_cannot_be_written_is_counted_and_logged_without_its_content(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    db = tell(services, "db")
    db.before["add"] = Failing(UnavailableError("secret of /studies/1"), 10**6)
    log = AccessLog(services, close_seconds=2)
    with caplog.at_level(logging.DEBUG):
        for number in range(20):
            log.write(access(number))
        start = time.monotonic()
        log.close()
    assert time.monotonic() - start < 60
    assert log.lost == 20
    assert db.count("add") > 1
    assert "20 records of web requests could not be written: the index is unavailable" in caplog.text
    assert "studies" not in caplog.text


def test_one_record_that_the_index_refuses_does_not_take_others_with_it(
    services: Services, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = services.db.add

    def add(entries: Any, *, events: Any) -> Any:
        if any(isinstance(one, WebAccess) and one.id == "id-13" for one in events([])):
            raise BackendError("secret of id-13")
        return real(entries, events=events)

    monkeypatch.setattr(services.db, "add", add)
    with AccessLog(services, size=32) as log:
        for number in range(32):
            log.write(access(number))
    assert len(logged(services)) == 31
    assert log.lost == 1
    assert "1 records of web requests could not be written: BackendError" in caplog.text
    assert "id-13" not in caplog.text


def test_a_record_is_made_by_the_thread_that_writes_and_one_that_fails_takes_no_others_with_it(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    threads = []

    def made() -> WebAccess:
        threads.append(threading.current_thread().name)
        return access(2)

    def fails() -> WebAccess:
        raise ValueError("secret of a request")

    with AccessLog(services) as log:
        for one in (access(1), fails, made, fails):
            log.write(one)
    assert logged(services) == ["/studies/1", "/studies/2"]
    assert threads == ["dicom-common-access-log"]
    assert log.lost == 2
    assert "could not be written: ValueError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/\ud800"},
        {"query": "PatientID=\udcff\0"},
        {"headers": {"X-\udc80": "\udc80"}},
        {"user": "\ud800", "user_id": "\ud800", "peer": "\ud800", "request_id": "\ud800", "method": "\ud800"},
        {"duration_ms": float("nan")},
        {"duration_ms": float("-inf")},
    ],
)
def test_no_client_can_send_what_is_not_logged(services: Services, fields: Any) -> None:
    with AccessLog(services) as log:
        for number in range(3):
            log.write(access(number, **fields if number == 1 else {}))
    assert log.lost == 0
    assert len(logged(services)) == 3
    bodies = [json.loads(event.body) for event in waiting(services)]
    assert len(bodies) == 3
    assert bodies[1]["path"] == ("/?" if "path" in fields else "/studies/1")


def test_a_closed_log_takes_nothing_and_closes_twice(services: Services) -> None:
    log = AccessLog(services)
    log.close()
    log.close()
    with pytest.raises(DicomCommonError, match="make another one"):
        log.write(access(1))


@pytest.mark.parametrize("wrong", [{"size": 0}, {"seconds": -1}, {"seconds": 61}, {"seconds": float("nan")}])
def test_limits(services: Services, wrong: Any) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AccessLog(services, **wrong)


def test_credentials_are_in_neither(services: Services) -> None:
    with AccessLog(services) as log:
        log.write(access(1, headers={"Authorization": "Bearer secret", "Accept": "*/*"}))
    [event] = waiting(services)
    assert b"secret" not in event.body
    assert isinstance(services.db, Logs)
    assert "secret" not in str(services.db.read_log(WebAccess, "local")[0].headers)
