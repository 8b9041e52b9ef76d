"""The pytest plugin for tests that need a server.

Such a test says so with `@pytest.mark.service("redis")` and asks for the fixture `service_endpoint`. Where there is no
server it is skipped with the reason; with `--require-services` it fails. `--service-report FILE` appends what ran
against which server, one JSON object a line.

It also watches for canaries: a test in which a test patient's name or number gets into a log record, an error, or the
key or a header of a message fails. `@pytest.mark.canary(reason)` lets one pass that means to.

And it watches over the tests of contracts: see `Contract`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

# The asserts of these modules shall explain themselves. It must be said before they are imported, and by name:
# pytest finds the modules of an installed plugin by itself, but not those of an editable installation.
pytest.register_assert_rewrite(
    "dicom_common.testing._authenticator",
    "dicom_common.testing._broker",
    "dicom_common.testing._cache",
    "dicom_common.testing._contract",
    "dicom_common.testing._database",
    "dicom_common.testing._extension",
    "dicom_common.testing._keyring",
    "dicom_common.testing._storage",
)

from dicom_common.testing import _watching  # noqa: E402  # behind the registration, on purpose
from dicom_common.testing._canary import Watch  # noqa: E402  # as above
from dicom_common.testing._outcomes import OutcomeFile  # noqa: E402  # as above
from dicom_common.testing._services import Endpoint, Found, find_options, find_service  # noqa: E402  # as above
from dicom_common.testing._tampering import ReportWatch  # noqa: E402  # as above

_KNOWN = pytest.StashKey[dict[str, Found]]()
_WATCH = pytest.StashKey[Watch]()
_PROPERTY = "dicom_common_service"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("dicom-common", "tests that need a server")
    group.addoption("--require-services", action="store_true", help="fail, do not skip, where a server is missing")
    group.addoption(
        "--service-report", type=Path, metavar="FILE", help="append what ran against which server, as lines of JSON"
    )
    group.addoption(
        "--contract-outcomes", type=Path, metavar="FILE", help="append what became of each test of a contract, likewise"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the report where it is asked for."""
    config.addinivalue_line("markers", "service(name): the test needs this server, such as redis or kafka")
    config.addinivalue_line("markers", "kills: the test kills processes, or starts servers of its own")
    config.addinivalue_line("markers", "slow: the test takes seconds")
    config.addinivalue_line("markers", "ability(protocol): the test is of an ability that not every backend offers")
    config.addinivalue_line("markers", "across_processes: the contract test starts processes that share the backend")
    config.addinivalue_line("markers", "canary(reason): the test may log or raise what looks like a patient's data")
    config.pluginmanager.register(_watching, "dicom-common-contracts")
    config.pluginmanager.register(ReportWatch(), "dicom-common-reports")
    config.stash[_KNOWN] = {}
    path = config.getoption("--service-report")
    # With pytest-xdist the workers' results reach the controller, which writes them.
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Report(path), "dicom-common-service-report")
    outcomes = config.getoption("--contract-outcomes")
    if outcomes is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(OutcomeFile(outcomes), "dicom-common-contract-outcomes")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Find the servers that the test needs, or skip it."""
    for mark in reversed(list(item.iter_markers("service"))):
        found = _find(item.config, mark.args[0])
        item.user_properties.append((_PROPERTY, [mark.args[0], str(found.endpoint or ""), found.origin or ""]))
        _endpoint(item.config, found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch over a test, with its set-up and tear-down."""
    watch = item.stash[_WATCH] = Watch()
    with watch.on():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail in which a canary was seen."""
    report = yield
    watch = item.stash.get(_WATCH, None)
    if watch is None or report.when == "setup" or item.get_closest_marker("canary") is not None:
        return report
    if report.passed and watch.leaks:
        report.outcome = "failed"
        report.longrepr = "patients' data where it must not be: " + "; ".join(dict.fromkeys(watch.leaks))
        watch.leaks.clear()
    return report


@pytest.fixture
def service_endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Give host and port of the server that the test's closest `service` mark names."""
    mark = request.node.get_closest_marker("service")
    if mark is None:
        pytest.fail('the fixture service_endpoint needs @pytest.mark.service("name")', pytrace=False)
    return _endpoint(request.config, _find(request.config, mark.args[0]))


@pytest.fixture(scope="session")
def service_finder(pytestconfig: pytest.Config) -> Callable[[str], Endpoint]:
    """Give a function from a server's name to host and port, for fixtures of wider scope; it skips without a server.

    The tests still carry the mark: the report is made of it.
    """
    return lambda name: _endpoint(pytestconfig, _find(pytestconfig, name))


@pytest.fixture
def service_options(request: pytest.FixtureRequest, service_endpoint: Endpoint) -> dict[str, str]:
    """Give what is known of the server of `service_endpoint` beside host and port.

    `DICOM_COMMON_TEST_S3_ACCESS_KEY` is the option `access_key` of the service `s3`.
    """
    del service_endpoint  # asked for because it skips where there is no server
    mark = request.node.get_closest_marker("service")
    return find_options(mark.args[0], request.config.rootpath)


@pytest.fixture(scope="session")
def without_service(pytestconfig: pytest.Config) -> Callable[[str], NoReturn]:
    """Give a function that skips the test for a reason, and fails it with `--require-services`.

    For tests that start a server of their own, where that cannot be.
    """
    return lambda reason: _do_without(pytestconfig, reason)


def _find(config: pytest.Config, name: str) -> Found:
    known = config.stash[_KNOWN]
    if name not in known:
        try:
            known[name] = find_service(name, config.rootpath)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
    return known[name]


def _endpoint(config: pytest.Config, found: Found) -> Endpoint:
    if found.endpoint is None:
        assert found.reason is not None
        _do_without(config, found.reason)
    return found.endpoint


def _do_without(config: pytest.Config, reason: str) -> NoReturn:
    if config.getoption("--require-services"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class _Line(NamedTuple):
    """What is counted: a line of the report, without its count."""

    suite: str
    """The package, or the folder, whose tests they are."""
    service: str
    """The server's name; empty for tests that need none."""
    endpoint: str
    origin: str
    outcome: str
    """`passed`, `failed`, `skipped` or `xfailed`."""
    reason: str
    """Why it was skipped, or expected to fail."""
    promise: str
    """The name of the test that was expected to fail: what was not proven. Empty for all others."""


class _Report:
    """Counts what ran against which server."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, _Line] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of set-up, call and tear-down."""
        before = self._tests.get(report.nodeid)
        if before is not None and (report.passed or before.outcome == "failed"):
            return
        if report.when == "setup" and report.passed:
            return
        servers = [value for name, value in report.user_properties if name == _PROPERTY and isinstance(value, list)]
        service, endpoint, origin = (",".join(filter(None, (each[at] for each in servers))) for at in range(3))
        outcome, reason = _outcome(report)
        promise = report.nodeid.partition("::")[2] if outcome == "xfailed" else ""
        suite = _suite(report.nodeid)
        self._tests[report.nodeid] = _Line(suite, service, endpoint, origin, outcome, reason, promise)

    def pytest_sessionfinish(self) -> None:
        """Append the counts."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            for line, count in sorted(Counter(self._tests.values()).items()):
                file.write(json.dumps({**line._asdict(), "count": count}, ensure_ascii=False) + "\n")


def _outcome(report: pytest.TestReport) -> tuple[str, str]:
    """Tell the outcome, and why a test was skipped or was expected to fail."""
    if not report.skipped:
        return report.outcome, ""
    if hasattr(report, "wasxfail"):
        return "xfailed", str(report.wasxfail)
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    return "skipped", reason.removeprefix("Skipped: ")


def _suite(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return path.partition("/tests/")[0] if "/tests/" in path else path.rpartition("/")[0] or path
