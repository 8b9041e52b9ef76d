"""What all contracts share: what a backend's test class declares, and how long a call may take."""

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
    """The base of every contract. What a test class of a backend says of itself stands in these attributes.

    While a test of a contract runs, an exception in any thread, and an error of any child process, fails it; so does a
    call that hangs. A test or a method of the contract that a class replaces without a reason in `overridden`, and an
    `xfail` of its own, stop the run.
    """

    abilities: ClassVar[tuple[type, ...]] = ()
    """The further Protocols that the backend offers, such as `BatchWrites`. The tests of all others are skipped; one
    that is offered and not declared, or declared and not offered, fails a test."""
    not_promised: ClassVar[Mapping[str, str]] = {}
    """What the backend does not promise: the name of a test -> why. `test_x[a]` is one case of `test_x`. The test runs
    and must fail: one that passes fails the run. It holds for this class alone, not for those that inherit from it."""
    overridden: ClassVar[Mapping[str, str]] = {}
    """Which tests the class replaces, or leaves out by setting them to None: the name of a test -> why."""
    shared_between_processes: ClassVar[bool] = True
    """Whether another process that opens the backend sees what this one wrote. False leaves out the tests that start
    and kill processes: then nothing is proven of what outlives a crash."""
    time_limit: ClassVar[float] = 10.0
    """Seconds within which a call must fail whose server is away: the limits in the settings, with slack for a busy
    machine."""
    test_limit: ClassVar[float] = 600.0
    """Seconds after which a test counts as hanging. A guard, no measure."""

    def assert_declared(self, backend: object, known: Collection[type]) -> None:
        """Assert that a backend offers the abilities that its test class declares, and no others."""
        name, declared = type(self).__name__, set(self.abilities)
        strange = sorted(ability.__name__ for ability in declared.difference(known))
        assert not strange, f"`abilities` of {name} has {strange}, which this contract does not know"
        offered = {ability for ability in known if isinstance(backend, ability)}
        silent = sorted(ability.__name__ for ability in offered - declared)
        assert not silent, f"the backend offers {silent}: add them to `abilities` of {name}, so that they are tested"
        missing = sorted(ability.__name__ for ability in declared - offered)
        assert not missing, f"`abilities` of {name} has {missing}, but the backend lacks a method of them"


class ServedContract(Contract):
    """The part of a contract about a server that is away. It is skipped for a backend that has no server."""

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {}
    """What is called while the server is away; `check` is called, too."""

    @pytest.fixture
    def open_at(self, request: pytest.FixtureRequest) -> Callable[[Endpoint], Any]:
        """Give the callable that opens the backend at an address."""
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
    """End a test whose class does not give a fixture that the contract needs."""
    pytest.fail(f"The test class gives no fixture `{name}`: write one that returns {gives}.", pytrace=False)


across_processes = pytest.mark.across_processes
"""Marks a test that starts other processes: it is skipped where `shared_between_processes` is False."""


def ability(protocol: type) -> pytest.MarkDecorator:
    """Mark a test of an ability: it is skipped where `abilities` does not have it."""
    return pytest.mark.ability.with_args(protocol)  # called with a class, a mark would decorate it
