"""The retry loop."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable

import pytest

from dicom_common.core import BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.toolkit import BusyError, DoubtfulError, Retry


def failing(*errors: BackendError) -> tuple[Callable[[], str], list[BackendError]]:
    left = list(errors)

    def request() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return request, left


def test_what_may_pass_is_asked_again() -> None:
    request, _ = failing(UnavailableError("busy"), BusyError("busy", 0.01))
    assert Retry(attempts=3, deadline=10).call(request) == "done"


@pytest.mark.parametrize(("attempts", "deadline"), [(2, 60.0), (100, 0.05)])
def test_it_ends_with_the_last_answer(attempts: int, deadline: float) -> None:
    request, left = failing(*(UnavailableError(str(number)) for number in range(100)))
    with pytest.raises(UnavailableError):
        Retry(attempts=attempts, deadline=deadline).call(request)
    assert len(left) >= 90


def test_what_will_not_pass_is_asked_once_and_what_is_doubtful_three_times() -> None:
    for error, asked in ((NotFoundError("gone"), 1), (RefusedError("no"), 1), (DoubtfulError("no"), 3)):
        request, left = failing(*([error] * 10))
        with pytest.raises(type(error)):
            Retry(attempts=10, deadline=10).call(request)
        assert 10 - len(left) == asked


def test_it_waits_as_long_as_the_server_asks() -> None:
    request, _ = failing(BusyError("busy", 0.2))
    start = time.monotonic()
    Retry(attempts=2, deadline=10).call(request)
    assert time.monotonic() - start >= 0.2
    request, _ = failing(BusyError("busy", 60.0))
    with pytest.raises(BusyError):
        Retry(attempts=2, deadline=1).call(request)
    assert pickle.loads(pickle.dumps(BusyError("busy", 3.5))).retry_after == 3.5
