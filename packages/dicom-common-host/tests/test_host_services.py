"""Services: opened when asked for, once, closed in the end; a sick backend harms neither the others nor the caller."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dicom_common.core import (
    BackendError,
    BrokenPluginError,
    ConfigError,
    HealthStatus,
    PluginNotFoundError,
    RefusedError,
)
from dicom_common.host import Config, Services
from dicom_common.toolkit import call_within

Add = Callable[..., None]
KINDS = ("storage", "db", "cache", "broker")
PATIENT = "Doe^Jane"

PLUGIN = """
import dataclasses, threading, time
from dicom_common.core import Backend, Health, HealthStatus, RefusedError, hookimpl

@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    opening: str = "well"
    checking: str = "well"
    closing: str = "well"

LOG = []
NAME = ""  # for the test of the order
GATE = threading.Event()

def act(how):
    if how == "hang":
        GATE.wait(60)
    if how == "slow":
        time.sleep(0.05)
    if how == "raise":
        raise KeyError("{patient}")
    if how == "refuse":
        raise RefusedError("no permission for the bucket")
    if how == "time out":
        raise TimeoutError("socket")
    if how == "exit":
        raise SystemExit(1)

class Thing:
    def __init__(self, settings):
        LOG.append("open")
        self.settings = settings
        act(settings.opening)
    def check(self):
        LOG.append("check")
        act(self.settings.checking)
        return "fine" if self.settings.checking == "lie" else Health(status=HealthStatus.OK, detail="well")
    def close(self):
        LOG.append(f"close {NAME}" if NAME else "close")
        act(self.settings.closing)

@hookimpl
def dicom_common_{kind}():
    return Backend("fake", Settings, Thing)
"""


@pytest.fixture
def overrides(add_distribution: Add) -> dict[str, str]:
    """A plugin of every kind, each in a module of its own."""
    for kind in KINDS:
        source = PLUGIN.replace("{kind}", kind).replace("{patient}", PATIENT)
        add_distribution(f"acme-{kind}", {f"dicom_common.{kind}": f"fake = acme_{kind}"}, {f"acme_{kind}": source})
    return {f"{kind}.backend": "fake" for kind in KINDS}


def module(kind: str) -> Any:
    return __import__(f"acme_{kind}")


def test_a_backend_is_imported_and_opened_when_it_is_asked_for_and_only_once(overrides: dict[str, str]) -> None:
    with Services.from_file(overrides=overrides) as services:
        assert module("storage").LOG == []
        assert services.storage is services.storage
        assert module("storage").LOG == ["open"]
        assert module("db").LOG == []
    assert [module(kind).LOG for kind in KINDS] == [["open", "close"], [], [], []]


def test_eight_threads_that_ask_at_once_open_one_backend(overrides: dict[str, str]) -> None:
    services = Services.from_file(overrides={**overrides, "db.opening": "slow"})
    start = threading.Barrier(8)

    def ask(_: int) -> int:
        start.wait(30)
        return id(services.db)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert module("db").LOG == ["open"]


def test_what_was_opened_last_is_closed_first_and_one_that_fails_keeps_no_other_open(
    overrides: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services.from_file(overrides={**overrides, "db.closing": "raise"})
    _ = services.cache, services.db, services.storage
    together: list[str] = []
    for kind in ("cache", "db", "storage"):
        monkeypatch.setattr(module(kind), "LOG", together)
        monkeypatch.setattr(module(kind), "NAME", kind)
    services.close()
    services.close()
    assert together == ["close storage", "close db", "close cache"]
    assert [record.getMessage() for record in caplog.records] == ["closing the db backend failed (KeyError)"]
    assert PATIENT not in caplog.text


def test_nothing_is_opened_after_the_end(overrides: dict[str, str]) -> None:
    services = Services.from_file(overrides=overrides)
    services.close()
    with pytest.raises(ConfigError, match="storage was asked for after the services were closed"):
        _ = services.storage
    with pytest.raises(ConfigError, match="extensions was asked for after"):
        _ = services.extensions


def test_a_backend_that_is_still_being_opened_when_the_services_close_is_closed_too(overrides: dict[str, str]) -> None:
    services = Services.from_file(overrides={**overrides, "db.opening": "hang"})
    db = module("db")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: services.db)
        while db.LOG != ["open"]:
            time.sleep(0.001)
        services.close()  # does not wait for it
        db.GATE.set()
        with pytest.raises(ConfigError, match="closed while db was being opened"):
            asked.result(30)
    assert db.LOG == ["open", "close"]


def test_the_block_closes_when_it_fails(overrides: dict[str, str]) -> None:
    def use_and_fail(services: Services) -> None:
        _ = services.broker
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Services.from_file(overrides=overrides) as services:
        use_and_fail(services)
    assert module("broker").LOG == ["open", "close"]


def test_a_failed_opening_is_an_error_of_ours_and_is_tried_again(overrides: dict[str, str]) -> None:
    services = Services.from_file(overrides={**overrides, "db.opening": "raise", "cache.opening": "refuse"})
    for _ in range(2):
        with pytest.raises(BackendError, match=r"db backend 'fake' cannot be opened \(KeyError\)") as caught:
            _ = services.db
        assert PATIENT not in str(caught.value)
        assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(RefusedError, match="no permission for the bucket"):
        _ = services.cache
    assert module("db").LOG == ["open", "open"]


def test_without_an_authenticator_or_a_keyring_there_is_none_and_the_error_says_what_to_write() -> None:
    services = Services.from_file()
    assert services.kinds() == list(KINDS)
    with pytest.raises(ConfigError, match=r'No auth backend is configured: write backend = "\.\.\." below \[auth\]'):
        _ = services.auth
    with pytest.raises(ConfigError, match=r"No keyring backend is configured: .* below \[keyring\]"):
        _ = services.keyring


def test_wrong_settings_and_missing_plugins_are_told_when_the_backend_is_asked_for(overrides: dict[str, str]) -> None:
    services = Services.from_file(overrides={**overrides, "db.opning": "x", "cache.backend": "fak"})
    with pytest.raises(ConfigError, match=r"unknown setting db\.opning. Did you mean 'opening'"):
        _ = services.db
    with pytest.raises(PluginNotFoundError, match="Did you mean 'fake'"):
        _ = services.cache
    assert {kind: health.status.value for kind, health in services.check().items()} == {
        "storage": "ok",
        "db": "failed",
        "cache": "failed",
        "broker": "ok",
    }


@pytest.mark.parametrize(
    ("how", "detail"),
    [
        ("hang", "no answer within 3 s"),
        ("raise", "its check failed: KeyError"),
        ("refuse", "no permission for the bucket"),
        ("time out", "its check failed: TimeoutError"),
        ("exit", "its check failed: SystemExit"),
        ("lie", "its check gave str, not a Health"),
    ],
)
@pytest.mark.parametrize("when", ["opening", "checking"])
def test_a_sick_backend_is_reported_and_the_others_are_well(
    overrides: dict[str, str], how: str, detail: str, when: str
) -> None:
    if when == "opening":
        how = "raise" if how == "lie" else how
        detail = "cannot be opened" if how in ("raise", "time out", "exit") else detail
    services = Services.from_file(overrides={**overrides, f"storage.{when}": how})
    found = services.check(time_limit=3)
    module("storage").GATE.set()
    assert found["storage"].status is HealthStatus.FAILED
    assert detail in found["storage"].detail
    assert PATIENT not in found["storage"].detail
    assert [found[kind].status for kind in KINDS[1:]] == [HealthStatus.OK] * 3


def test_settings_of_a_table_are_given_by_name(overrides: dict[str, str]) -> None:
    services = Services(Config.load(overrides={**overrides, "db.opening": "slow"}))
    assert services.settings("db", module("db").Settings).opening == "slow"


def test_a_call_within_a_time_limit_gives_the_result_the_error_or_a_timeout() -> None:
    assert call_within(30, lambda a, *, b: a + b, 1, b=2) == 3
    with pytest.raises(KeyError):
        call_within(30, {}.__getitem__, "x")
    with pytest.raises(SystemExit):
        call_within(30, exit)
    gate = threading.Event()
    with pytest.raises(TimeoutError):
        call_within(0.01, gate.wait, 60)
    gate.set()


def test_a_call_that_hangs_does_not_keep_the_process_from_ending(run_python: Callable[[str], str]) -> None:
    program = """
import threading
from dicom_common.toolkit import call_within
try:
    call_within(0.01, threading.Event().wait)
except TimeoutError:
    print("over")
"""
    assert run_python(program) == "over\n"


def test_the_error_that_names_a_broken_backend_is_the_plugins(add_distribution: Add) -> None:
    add_distribution("acme-db", {"dicom_common.db": "fake = acme_db"}, {"acme_db": "1 / 0"})
    with pytest.raises(BrokenPluginError, match="db plugin 'fake' is broken"):
        _ = Services.from_file(overrides={"db.backend": "fake"}).db


def test_nothing_is_logged_where_all_is_well(overrides: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Services.from_file(overrides=overrides) as services:
        services.check()
    assert caplog.records == []


BUILT = """
import dataclasses
from dicom_common.core import Backend, hookimpl, storage_table

LOG = []

@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    inner: tuple[str, ...] = ()

class Built:
    def __init__(self, settings, *inner):
        self.inner = inner
        LOG.append(f"open {len(inner)}")
    def close(self):
        LOG.append(f"close {len(self.inner)}")

@hookimpl
def dicom_common_storage():
    return Backend("built", Settings, Built, built_on=lambda settings: [storage_table(name) for name in settings.inner])
"""


def test_a_backend_that_is_built_on_storages_is_opened_after_them_and_closed_before_them(add_distribution: Add) -> None:
    add_distribution("acme-built", {"dicom_common.storage": "built = acme_built"}, {"acme_built": BUILT})
    inner = {f"storages.{name}.backend": "built" for name in ("one", "two")}
    with Services.from_file(
        overrides={"storage.backend": "built", "storage.inner": '["two", "one"]', **inner}
    ) as services:
        storage: Any = services.storage
        assert storage.inner == (services.storage_named("two"), services.storage_named("one"))
    log = __import__("acme_built").LOG
    assert log == ["open 0", "open 0", "open 2", "close 2", "close 0", "close 0"]


@pytest.mark.parametrize(
    ("storage", "one", "two"), [("storage", "one", "two"), ("one", "two", "one"), ("one", "two", "storage")]
)
def test_storages_that_are_built_on_each_other_in_a_circle_are_refused(
    add_distribution: Add, storage: str, one: str, two: str
) -> None:
    add_distribution("acme-built", {"dicom_common.storage": "built = acme_built"}, {"acme_built": BUILT})
    chosen = {"storage": storage, "storages.one": one, "storages.two": two}
    overrides = {f"{table}.backend": "built" for table in chosen} | {
        f"{table}.inner": f'["{inner}"]' for table, inner in chosen.items()
    }
    with Services.from_file(overrides=overrides) as services:
        asked = [call_refused(lambda: services.storage), call_refused(lambda: services.storage_named("two"))]
    assert any("circle" in said for said in asked)


def call_refused(ask: Callable[[], object]) -> str:
    try:
        call_within(10, ask)
    except ConfigError as error:
        return str(error)
    return ""
