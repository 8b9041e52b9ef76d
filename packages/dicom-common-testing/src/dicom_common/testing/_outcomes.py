"""Records the result of each contract test, for a conformance statement."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from dicom_common.testing._contract import Contract
from dicom_common.testing._statement import Outcome
from dicom_common.testing._tampering import called, is_of_the_kit

__all__ = ["NOT_RUN", "OutcomeFile", "first_error"]

NOT_RUN = "it was not run"
_PROPERTY = "dicom_common_contract"


class OutcomeFile:
    """Appends a line of JSON for each test of a contract that has ended, and in the end for each that was not run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, Outcome] = {}
        self._classes: dict[type[Contract], set[str]] = {}
        """The classes that were collected, and the tests of each that have ended."""

    @pytest.hookimpl(tryfirst=True)  # before anything is taken away
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which contracts there are."""
        for item in items:
            cls = getattr(item, "cls", None)
            if isinstance(cls, type) and issubclass(cls, Contract):
                self._classes.setdefault(cls, set())

    @pytest.hookimpl(tryfirst=True)  # also of a test that a mark skips
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note of which contract a test is."""
        cls = getattr(item, "cls", None)
        if isinstance(cls, type) and issubclass(cls, Contract) and isinstance(item, pytest.Function):
            self._classes.setdefault(cls, set()).add(item.originalname)
            why = vars(cls).get("overridden", {}).get(item.originalname, "")
            item.user_properties.append((_PROPERTY, [_contract(cls), item.originalname, why]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of set-up, call and tear-down, and write it when the test has ended."""
        named = next((value for name, value in report.user_properties if name == _PROPERTY), None)
        if not isinstance(named, list):
            return
        before = self._told.get(report.nodeid)
        if before is None or report.failed or (report.when == "call" and before.outcome == "proven"):
            outcome, reason = _outcome(report)
            if outcome == "proven" and named[2]:
                outcome, reason = "skipped", f"a test of the backend's own is in its place: {named[2]}"
            self._told[report.nodeid] = Outcome(contract=named[0], test=named[1], outcome=outcome, reason=reason)
        if report.when == "teardown":
            self._write(self._told.pop(report.nodeid))

    def pytest_sessionfinish(self) -> None:
        """Write down which tests were left out, whoever did it: the class, an option, a conftest."""
        for cls, ended in self._classes.items():
            for test in sorted(name for name in dir(cls) if name.startswith("test_") and name not in ended):
                why = vars(cls).get("overridden", {}).get(test) if getattr(cls, test) is None else NOT_RUN
                self._write(Outcome(contract=_contract(cls), test=test, outcome="skipped", reason=why or NOT_RUN))

    def _write(self, outcome: Outcome) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")


def _contract(cls: type[Contract]) -> str:
    return next(base.__name__ for base in cls.__mro__ if is_of_the_kit(base))


def _outcome(report: pytest.TestReport) -> tuple[str, str]:
    came_to, expected = called(report)
    if report.passed and came_to in ("failed", "not called"):
        return "not kept", f"the test {came_to}, and a hook reported that it had passed"
    if report.skipped and getattr(report, "wasxfail", expected) != expected:
        return "not kept", "the test failed, and a hook reported that it was expected to"
    if report.failed:
        return "not kept", first_error(str(report.longrepr))
    if report.skipped and hasattr(report, "wasxfail"):
        return "not promised", str(report.wasxfail)
    if report.skipped:
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        return "skipped", reason.removeprefix("Skipped: ")
    return "proven", ""


def first_error(text: str) -> str:
    """Return the first error that pytest shows: what was asserted, in one line."""
    errors = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return (errors[0] if errors else text.strip().partition("\n")[0])[:300]
