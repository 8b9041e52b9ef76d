"""Records the result of each contract test, for a conformance statement."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from dicom_common.testing._contract import Contract
from dicom_common.testing._statement import Outcome

__all__ = ["OutcomeFile", "first_error"]

_PROPERTY = "dicom_common_contract"


class OutcomeFile:
    """Appends a line of JSON for each test of a contract that has ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, Outcome] = {}

    @pytest.hookimpl(tryfirst=True)  # also of a test that a mark skips
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note of which contract a test is."""
        cls = getattr(item, "cls", None)
        if isinstance(cls, type) and issubclass(cls, Contract) and isinstance(item, pytest.Function):
            contract = next(
                base.__name__ for base in cls.__mro__ if base.__module__.startswith("dicom_common.testing.")
            )
            item.user_properties.append((_PROPERTY, [contract, item.originalname]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of set-up, call and tear-down, and write it when the test has ended."""
        named = next((value for name, value in report.user_properties if name == _PROPERTY), None)
        if not isinstance(named, list):
            return
        before = self._told.get(report.nodeid)
        if before is None or report.failed or (report.when == "call" and before.outcome == "proven"):
            outcome, reason = _outcome(report)
            self._told[report.nodeid] = Outcome(contract=named[0], test=named[1], outcome=outcome, reason=reason)
        if report.when == "teardown":
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(self._told.pop(report.nodeid)), ensure_ascii=False) + "\n")


def _outcome(report: pytest.TestReport) -> tuple[str, str]:
    if report.failed:
        return "not kept", first_error(str(report.longrepr))
    if hasattr(report, "wasxfail"):
        return "not promised", str(report.wasxfail)
    if report.skipped:
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        return "skipped", reason.removeprefix("Skipped: ")
    return "proven", ""


def first_error(text: str) -> str:
    """Return the first error that pytest shows: what was asserted, in one line."""
    errors = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return (errors[0] if errors else text.strip().partition("\n")[0])[:300]
