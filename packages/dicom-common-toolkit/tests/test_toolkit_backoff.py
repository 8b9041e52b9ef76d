"""The backoff: bounded by attempts and by time, spread, and never shorter than a server asked for."""

from __future__ import annotations

import time

import pytest

from dicom_common.toolkit import Backoff


def test_attempts_are_counted_and_no_wait_follows_the_last() -> None:
    backoff = Backoff(attempts=3, first=0.0)
    assert [backoff.wait() for _ in range(3)] == [True, True, False]
    assert not Backoff(attempts=1, first=60.0).wait()
    backoff.restart()
    assert backoff.wait()


def test_no_attempt_begins_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert not Backoff(time_limit=0.0, first=0.0).wait()
    assert not Backoff(time_limit=5.0).wait(at_least=60.0)
    assert slept == [], "it waited for an attempt that it does not make"


def test_waits_double_up_to_a_limit_and_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for _ in range(200):
        backoff = Backoff(first=0.1, longest=0.5)
        for _ in range(4):
            assert backoff.wait()
    for place, limit in enumerate((0.1, 0.2, 0.4, 0.5)):
        waits = slept[place::4]
        assert limit * 0.8 < max(waits) <= limit
        assert min(waits) < limit * 0.2, "all come back together"


def test_what_a_server_asks_for_comes_before_the_random_part(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert Backoff(first=0.1).wait(at_least=3.0)
    assert 3.0 <= slept[0] <= 3.1
