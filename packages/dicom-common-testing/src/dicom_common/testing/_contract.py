"""The base of all contracts: the declarations of a backend's test class, and the time limits of calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from dicom_common.core import BackendError, HealthStatus, UnavailableError
from dicom_common.testing._away import AwayServer, away
from dicom_common.testing._health import health_of
from dicom_common.testing._services import Endpoint

__all__ = ["Contract", "ServedContract", "ability", "across_processes", "missing_fixture"]


class Contract:
    """The base of every contract. The test class of a backend declares its properties in these attributes.

    An exception in any thread, an error in any child process, and a call that hangs fail the running contract test. The
    run stops if a class replaces a test or method of the contract without a reason in `overridden`, or marks a test
    `xfail`.
    """

    abilities: ClassVar[tuple[type, ...]] = ()
    """The optional Protocols that the backend implements, such as `BatchWrites`. The tests of other Protocols are
    skipped. A test fails if the declaration and the methods of the backend differ."""
    not_promised: ClassVar[Mapping[str, str]] = {}
    """The promises that the backend does not make: the name of a test -> the reason. `test_x[a]` is one case of
    `test_x`. The test runs and must fail; if it passes, the run fails. Subclasses do not inherit the declaration."""
    overridden: ClassVar[Mapping[str, str]] = {}
    """The tests that the class replaces, or omits by setting them to None: the name of a test -> the reason."""
    shared_between_processes: ClassVar[bool] = True
    """Whether other processes that open the backend see what this process wrote. False skips the tests that start and
    kill processes; the contract then proves nothing about crashes."""
    time_limit: ClassVar[float] = 10.0
    """Seconds within which a call must fail if its server is unavailable: the time limits of the settings, plus a
    margin for a busy machine."""
    test_limit: ClassVar[float] = 600.0
    """Seconds after which a test is considered hung."""

    def assert_declared(self, backend: object, known: Collection[type]) -> None:
        """Assert that a backend implements exactly the optional Protocols that its test class declares."""
        name, declared = type(self).__name__, set(self.abilities)
        strange = sorted(ability.__name__ for ability in declared.difference(known))
        assert not strange, f"`abilities` of {name} has {strange}, which this contract does not know"
        offered = {ability for ability in known if isinstance(backend, ability)}
        silent = sorted(ability.__name__ for ability in offered - declared)
        assert not silent, f"the backend offers {silent}: add them to `abilities` of {name}, so that they are tested"
        missing = sorted(ability.__name__ for ability in declared - offered)
        assert not missing, f"`abilities` of {name} has {missing}, but the backend lacks a method of them"


class ServedContract(Contract):
    """The tests of a contract for an unavailable server. They are skipped for a backend without a server."""

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {}
    """The calls that are made while the server is unavailable, in addition to `check`."""

    @pytest.fixture
    def open_at(self, request: pytest.FixtureRequest) -> Callable[[Endpoint], Any]:
        """Return a callable that opens the backend at an endpoint."""
        if request.node.get_closest_marker("service") is None:
            pytest.skip("the backend has no server; one that has gives a fixture `open_at`")
        gives = "a callable from an Endpoint to the backend there, with short time limits"
        opens: Callable[[Endpoint], Any] = missing_fixture("open_at", gives)
        return opens

    @pytest.mark.parametrize("case_away", AwayServer)
    def test_while_the_server_is_away_each_call_fails_in_time(
        self, open_at: Callable[[Endpoint], Any], case_away: AwayServer
    ) -> None:
        """Each is called on a backend of its own; opening that one may fail in the same way."""
        with away(case_away) as endpoint, ThreadPoolExecutor(len(self.calls) + 1) as pool:
            named = {**self.calls, "check": health_of}
            tried = {name: pool.submit(_try, open_at, endpoint, call) for name, call in named.items()}
            for name, (outcome, took) in {name: future.result() for name, future in tried.items()}.items():
                assert outcome in {"unavailable", HealthStatus.FAILED}, (
                    f"the server is {case_away}, and `{name}` {outcome}: it must raise UnavailableError"
                )
                assert took <= self.time_limit, (
                    f"the server is {case_away}, and `{name}` took {took:.1f} s: give every call a time limit, and set"
                    f" short ones in the fixture `open_at`; `time_limit` is {self.time_limit:g} s"
                )


def _try(open_at: Callable[[Endpoint], Any], endpoint: Endpoint, call: Callable[[Any], object]) -> tuple[str, float]:
    started, backend = time.monotonic(), None
    try:
        backend = open_at(endpoint)
        answer = call(backend)
        outcome = getattr(answer, "status", "returned")
    except UnavailableError:
        outcome = "unavailable"
    except BackendError as error:
        outcome = f"raised {type(error).__name__}"
    took = time.monotonic() - started
    if backend is not None:
        backend.close()
    return outcome, took


def missing_fixture(name: str, gives: str) -> Any:
    """Fail a test whose class lacks a fixture that the contract needs."""
    pytest.fail(
        f"The test class has no fixture `{name}`: write one in the class that returns {gives}. One of the module is not"
        " enough, because the class has another of that name from the contract.",
        pytrace=False,
    )


across_processes = pytest.mark.across_processes
"""Marks a test that starts other processes: it is skipped where `shared_between_processes` is False."""


def ability(protocol: type) -> pytest.MarkDecorator:
    """Mark a test of an ability: it is skipped where `abilities` does not have it."""
    return pytest.mark.ability.with_args(protocol)  # called with a class, a mark would decorate it
