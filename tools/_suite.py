"""`dev.py test`: chooses sessions, runs them through nox, and sums up what ran, where, and what did not."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _environment import BIN, ToolError, make_venv, pythons_here, run, step, tool_environment
from _lanes import default_lanes, run_sessions
from _table import print_table
from _workspace import ROOT, find_package, packages
from services import running_services

from dicom_common.testing.servers import SERVERS

REPORTS = ROOT / ".reports"
PYTHONS = pythons_here()
EXPECTED_TO_FAIL = "pytest.xfail"
"""How pytest marks such a test, which it counts as skipped, in its JUnit report."""
IN_FULL = {
    "chaos": {"DICOM_COMMON_TEST_CHAOS_INSTANCES": "5000", "DICOM_COMMON_TEST_CHAOS_KILLS": "30"},
    "crash": {"DICOM_COMMON_TEST_KILLS": "50"},
    "fuzz": {"DICOM_COMMON_TEST_FUZZ_READS": "1000000", "DICOM_COMMON_TEST_FUZZ_COMPARED": "100000"},
    "native": {"DICOM_COMMON_TEST_ENGINE_READS": "300000"},
    "scale": {"DICOM_COMMON_TEST_INSTANCES": "100000"},
}
"""Parts of tests/, and sessions, that run in a short form among all tests, and in full where they are named.

A variable that is set already stays as it is.
"""
PLAIN_SESSIONS = ("lint", "types", "layout", "wheels", "docs", "native", "integration", "downstream", "constraints")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What of the suite to run."""

    names: tuple[str, ...] = ()
    require_services: bool = False
    python: str | None = None
    all_pythons: bool = False
    lanes: int | None = None
    pytest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """The tests of one run of pytest."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Sum up two runs."""
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        """The closing line."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def test(choice: Choice) -> int:
    """Run what was chosen; 0 only if every session that ran succeeded."""
    make_venv()
    sessions, paths = plan(choice)
    with step("resolving the requirements of all packages"):
        run(BIN / "uv", "lock", what="resolving the requirements of all packages (uv lock)")
    shutil.rmtree(REPORTS, ignore_errors=True)
    (REPORTS / "junit").mkdir(parents=True)
    words = (*(("--require-services",) if choice.require_services else ()), *choice.pytest, *paths)
    # A shell's `&` and some CI runners start with SIGINT ignored, which every child would inherit: the tests of Ctrl-C
    # would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with running_services(wanted_services()) as (environment, absent):
        code = run_sessions(
            sessions,
            words,
            tool_environment(in_full(choice.names) | environment) | {"WORKSPACE_IS_LOCKED": "1"},
            reports=REPORTS,
            lanes=choice.lanes or default_lanes(),
        )
    return summarise(code, sessions, absent)


def plan(choice: Choice) -> tuple[list[str], list[str]]:
    """Return the nox sessions to run, and the parts of tests/ for the session `integration` (none: all of it)."""
    primary = session_python()
    pythons = PYTHONS if choice.all_pythons else (choice.python or primary,)
    tested = [package.name for package in packages() if any(package.tests.rglob("test_*.py"))]
    if not choice.names:
        tests = [f"tests-{name}-{python}" for python in pythons for name in tested]
        imports = [] if choice.all_pythons or choice.python else [f"imports-{v}" for v in PYTHONS if v != primary]
        return ["lint", "types", "layout", *tests, *imports, "wheels", "docs", "native", "integration"], []
    sessions: list[str] = []
    paths: list[str] = []
    for name in choice.names:
        if name in PLAIN_SESSIONS:
            sessions.append(name)
        elif name == "oldest":
            sessions.extend(f"oldest-{package}" for package in tested)
        elif name == "imports":
            sessions.extend(f"imports-{python}" for python in PYTHONS)
        elif (package := find_package(name)) is not None and package.is_compiled:
            sessions.append("native")
        elif package is not None:
            if package.name not in tested:
                raise ToolError(f"packages/{package.name} has no tests: there is no tests/test_*.py in it.")
            sessions.extend(f"tests-{package.name}-{python}" for python in pythons)
        else:
            paths.append(part_of_tests(name))
    if paths and "integration" not in sessions:
        sessions.append("integration")
    return list(dict.fromkeys(sessions)), paths


def in_full(names: Iterable[str]) -> dict[str, str]:
    """Return the variables by which the parts of tests/ that are named run in full."""
    return {variable: value for name in names for variable, value in IN_FULL.get(name, {}).items()}


def part_of_tests(name: str) -> str:
    """Find the folder or file of tests/ that is called `name`."""
    for path in (ROOT / "tests" / name, ROOT / "tests" / f"test_{name}.py"):
        if path.exists() and path.parent == ROOT / "tests":
            return str(path.relative_to(ROOT))
    known = [*PLAIN_SESSIONS, "oldest", "imports", *(package.short_name for package in packages())]
    known += [path.stem.removeprefix("test_") for path in sorted((ROOT / "tests").glob("test_*.py"))]
    raise ToolError(f"there is nothing called {name!r} to test; there are: {', '.join(known)}.")


def session_python() -> str:
    """Return the version of `.venv`'s Python, as nox has it."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([BIN / "python", "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def wanted_services() -> set[str]:
    """Return the servers that tests of this repository name in `@pytest.mark.service(...)`: only they are started."""
    files = [*ROOT.glob("packages/*/tests/**/*.py"), *ROOT.glob("tests/**/*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    return {server.name for server in SERVERS if f'mark.service("{server.name}")' in text}


def count(report: Path) -> Counts:
    """Count the tests of a JUnit report. A test that fails and whose tear-down fails too is one failed test."""
    total = Counts()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it a moment ago
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            total += Counts(failed=1)
        elif "skipped" in outcomes:
            total += Counts(skipped=1)
        else:
            total += Counts(passed=1)
    return total


def skip_reasons(report: Path) -> Iterator[str]:
    """Iterate over the reasons of the skipped tests of a JUnit report, without those of `unproven`."""
    for skipped in ET.parse(report).iter("skipped"):  # noqa: S314  # pytest wrote it a moment ago
        if skipped.get("type") != EXPECTED_TO_FAIL:
            yield (skipped.get("message") or "no reason given").splitlines()[0]


def unproven(report: Path) -> Iterator[tuple[str, str]]:
    """Iterate over the tests of a JUnit report that were expected to fail, with the reason.

    They are told by name: each is a promise that a backend does not make, or that no server here could prove.
    """
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # the same
        for skipped in case.iter("skipped"):
            if skipped.get("type") == EXPECTED_TO_FAIL:
                name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
                yield name, (skipped.get("message") or "no reason given").splitlines()[0]


def results_of(session: str) -> list[dict[str, Any]]:
    """Return what nox reports of a session; one that nox ended before has failed."""
    try:
        results: list[dict[str, Any]] = json.loads((REPORTS / "nox" / f"{session}.json").read_text("utf-8"))["sessions"]
    except (OSError, ValueError, KeyError):
        return [{"signatures": [session], "result": "nox ended early", "duration": 0}]
    return results


def summarise(nox_code: int, sessions: Iterable[str], absent: Mapping[str, str]) -> int:
    """Print the tables and the closing line, and return the exit code."""
    results = [result for session in sessions for result in results_of(session)]
    total = Counts()
    rows: list[tuple[str, str, str, str]] = []
    reasons: dict[tuple[str, str], int] = {}
    unproven_rows: list[tuple[str, str, str]] = []
    failed = nox_code != 0
    whole: list[tuple[str, str, str]] = []
    for result in results:
        name, outcome = str(result["signatures"][0]), str(result["result"])
        report = REPORTS / "junit" / f"{name}.xml"
        counts = ""
        if report.exists():
            total += (of_session := count(report))
            counts = str(of_session)
            for reason in skip_reasons(report):
                reasons[name, reason] = reasons.get((name, reason), 0) + 1
            unproven_rows += [(name, test, reason) for test, reason in unproven(report)]
        elif outcome == "skipped":
            counts = str(result.get("reason") or "not possible here: see its lines above")
            whole.append((name, "all", counts))
        failed = failed or outcome not in ("success", "skipped")
        rows.append((name, outcome, f"{result['duration']:.0f} s", counts))
    print_table("What ran", ("session", "result", "time", "tests"), rows)
    print_services(absent)
    skipped = whole + [(name, str(number), reason) for (name, reason), number in reasons.items()]
    print_table("What was skipped, and why", ("session", "tests", "reason"), skipped)
    print_table("What was expected to fail, and so is not proven", ("session", "test", "reason"), unproven_rows)
    if failed:
        print("\nFailed: " + (", ".join(row[0] for row in rows if row[1] not in ("success", "skipped")) or "nox"))
    print(f"\n{total}", flush=True)
    return 1 if failed or total.failed else 0


_NONE_SHARED = "embedded backends, plain files, servers that a test starts for itself"


def print_services(absent: Mapping[str, str]) -> None:
    """Print against which servers tests ran, and which servers there were not."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for file in REPORTS.glob("services*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            where = f"{entry['endpoint']} ({entry['origin']})" if entry["endpoint"] else entry["reason"]
            key = (entry["service"], where) if entry["service"] else ("none shared", _NONE_SHARED)
            counts = found.setdefault(key, {})
            counts[entry["outcome"]] = counts.get(entry["outcome"], 0) + entry["count"]
    rows = [
        (service, ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())), where)
        for (service, where), counts in sorted(found.items())
    ]
    rows += [(name, "", reason) for name, reason in sorted(absent.items())]
    print_table("Servers", ("server", "tests", "where it ran, or why it is missing"), rows)
