"""What pytest does for contracts: it sees threads, ends what hangs, and refuses what would prove nothing."""

from __future__ import annotations

import inspect
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from dicom_common.testing._contract import Contract
from dicom_common.testing._processes import unwritten_method
from dicom_common.testing._tampering import (
    changed,
    is_of_the_kit,
    no_end_of_the_process,
    raised_by_a_backend,
    recording,
    weakened,
)

__all__: list[str] = []

_UNWRITTEN = pytest.StashKey[Counter[str]]()
_AGAIN = 5.0
"""Seconds after which a hanging test is ended once more: what it does to clean up may hang as well."""


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, obj: object) -> Generator[None, object, object]:
    """Refuse a test class that replaces what the contract has, and does not say why."""
    made = yield
    if isinstance(made, pytest.Class) and isinstance(obj, type) and issubclass(obj, Contract):
        faults = _faults_of(obj)
        if faults:
            raise collector.CollectError("\n".join(f"{obj.__name__}: {fault}" for fault in faults))
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect what is not promised to fail."""
    known: dict[type[Contract], set[str]] = {}
    for item in items:
        contract = _contract_of(item)
        if contract is None or not isinstance(item, pytest.Function):
            continue
        known.setdefault(contract, set()).update((item.originalname, item.name))
        if item.get_closest_marker("xfail") is not None:
            raise pytest.UsageError(
                f"{contract.__name__}: {item.originalname} is marked `xfail`: say in `not_promised` what the backend"
                " does not promise, and why."
            )
        reason = _why_not_promised(contract, item)
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests of an ability that the class does not declare."""
    contract = _contract_of(item)
    if contract is not None and not contract.shared_between_processes and item.get_closest_marker("across_processes"):
        pytest.skip("other processes do not see what this one keeps: `shared_between_processes` is False")
    for mark in item.iter_markers("ability"):
        ability = mark.args[0]
        if contract is not None and ability not in contract.abilities:
            pytest.skip(f"the backend does not offer {ability.__name__}: it is not in `abilities`")


@pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_setup")
def pytest_watch_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Watch over the fixtures as they are made."""
    with _watched(item):
        yield


@pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_call")
def pytest_watch_call(item: pytest.Item) -> Generator[None, None, None]:
    """Watch over the test."""
    contract = _contract_of(item)
    if contract is None or not isinstance(item, pytest.Function):
        yield
        return
    if getattr(item.obj, "__func__", None) is not getattr(contract, item.originalname, None):
        pytest.fail(f"{item.originalname} was replaced after the collection", pytrace=False)
    item.obj = recording(item, _why_not_promised(contract, item))
    with _watched(item):
        yield


@pytest.hookimpl(wrapper=True, trylast=True, specname="pytest_runtest_teardown")
def pytest_watch_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Watch over the fixtures as they end."""
    with _watched(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down which method of the backend a test has asked for in vain."""
    report = yield
    if call.excinfo is None or _contract_of(item) is None:
        return report
    if name := unwritten_method(call.excinfo.value):
        report.longrepr = f"the backend's method `{name}` is not written yet"
        if call.when != "teardown":
            item.config.stash.setdefault(_UNWRITTEN, Counter()).update([name])
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Say what is to be written next, below all else."""
    yield
    unwritten = config.stash.get(_UNWRITTEN, None)
    if unwritten:
        terminalreporter.section("what to write next")
        for name, count in unwritten.most_common():
            terminalreporter.line(f"  {name}: {count} {'test stops' if count == 1 else 'tests stop'} here")
        first = unwritten.most_common(1)[0][0]
        terminalreporter.line(f"Write `{first}`, then run the tests again.")


def _contract_of(item: pytest.Item) -> type[Contract] | None:
    cls = getattr(item, "cls", None)
    return cls if isinstance(cls, type) and issubclass(cls, Contract) else None


def _why_not_promised(contract: type[Contract], item: pytest.Function) -> str:
    promises = vars(contract).get("not_promised", {})
    return str(promises.get(item.name) or promises.get(item.originalname) or "")


def _faults_of(cls: type[Contract]) -> list[str]:
    """Tell what in a test class would let a contract pass without being proven."""
    ours: dict[str, bool] = {}
    for base in reversed(cls.__mro__):
        if is_of_the_kit(base):
            ours |= dict.fromkeys((name for name, value in vars(base).items() if _is_method(value)), True)
        else:
            ours |= {name: False for name in vars(base) if name in ours}
    replaced = {name for name, is_ours in ours.items() if not is_ours}
    reasons = vars(cls).get("overridden", {})
    promises = vars(cls).get("not_promised", {})
    faults = [
        f"{name} of the contract is replaced, and no reason is given. Delete the replacement, or say why in"
        f' `overridden = {{"{name}": "why"}}`; what the backend does not promise belongs in `not_promised`.'
        for name in sorted(replaced - reasons.keys())
    ]
    faults += [
        f"`overridden` names {name}, which the class does not replace." for name in sorted(reasons.keys() - replaced)
    ]
    faults += [
        f"`not_promised` names {name}, which is no test of this contract."
        for name in sorted(promises)
        if not ours.get(name.partition("[")[0], False)
    ]
    for attribute, declared in (("overridden", reasons), ("not_promised", promises)):
        faults += _without_reason(attribute, declared)
    return [*faults, *weakened(cls)]


def _without_reason(attribute: str, declared: Mapping[str, Any]) -> list[str]:
    return [
        f"`{attribute}` gives no reason for {name}: write a sentence that a user of the backend understands."
        for name, reason in sorted(declared.items())
        if not isinstance(reason, str) or not reason.strip()
    ]


def _is_method(value: object) -> bool:
    """Tell whether it is a test or a method that tests use: fixtures are for the author to replace."""
    return inspect.isfunction(value) and not hasattr(value, "_pytestfixturefunction")


@contextmanager
def _watched(item: pytest.Item) -> Iterator[None]:
    contract = _contract_of(item)
    if contract is None:
        yield
        return
    failures: list[str] = []
    try:
        with _thread_errors(failures), _time_limit(contract.test_limit), no_end_of_the_process():
            yield
    except (pytest.skip.Exception, pytest.xfail.Exception, pytest.exit.Exception) as error:
        if raised_by_a_backend(error):
            pytest.fail(f"the backend leaves the test ({error}): what it does not promise belongs in `not_promised`")
        raise
    if failures:
        pytest.fail("a thread of this test failed:\n" + "\n".join(failures), pytrace=False)
    if replaced := [*changed(), *_faults_of(contract)]:
        pytest.fail("what is tested has changed the test:\n" + "\n".join(replaced), pytrace=False)


@contextmanager
def _thread_errors(failures: list[str]) -> Iterator[None]:
    """Collect the exceptions of threads; without this they are printed, and the test passes."""
    before = threading.excepthook

    def note(told: threading.ExceptHookArgs) -> None:
        if not isinstance(told.exc_value, SystemExit):
            lines = traceback.format_exception(told.exc_type, told.exc_value, told.exc_traceback)
            failures.append(f"{told.thread.name if told.thread else 'a thread'}: {''.join(lines)}")

    threading.excepthook = note
    try:
        yield
    finally:
        if threading.excepthook is not note:
            failures.append("`threading.excepthook` was replaced: an exception in a thread would not be seen")
        threading.excepthook = before


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End what runs longer, where this thread can be interrupted and no other tool has set an alarm."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"the test has taken more than {seconds:g} s (`test_limit`): a call of the backend hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
