"""What authors might do so that a contract passes without being proven: each is seen, or shows in the outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

# Imported here, it is not imported again for each run.
from dicom_common.testing import StorageContract  # noqa: F401

pytest_plugins = ["pytester"]

BACKENDS = Path(__file__).with_name("faulty_backends.py").read_text(encoding="utf-8")
RANGE = "test_a_range_gives_what_is_there"
TEST_FILE = """
from functools import partial
import pytest
from dicom_common.testing import StorageContract
from cheat import Cheat

class TestIt(StorageContract):
    {attributes}

    @pytest.fixture
    def open_storage(self, tmp_path):
        return partial(Cheat, str(tmp_path / "objects"))
"""
HONEST = "from faulty_backends import FolderStorage as Cheat"
NO_RANGE = """
from faulty_backends import FolderStorage

class Cheat(FolderStorage):
    def read(self, key, *, start=0, length=None):
        return super().read(key)
"""
Run = Callable[..., tuple[pytest.RunResult, dict[str, tuple[str, str]]]]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run one test of a contract, and return what pytest says and what is recorded of each test."""
    pytester.makepyfile(faulty_backends=BACKENDS)
    pytester.syspathinsert()

    def run_it(
        cheat: str,
        attributes: str = "",
        *,
        conftest: str = "",
        selected: str = f"{RANGE} and 2999999",
        options: Sequence[str] = (),
        apart: bool = False,
    ) -> tuple[pytest.RunResult, dict[str, tuple[str, str]]]:
        if conftest:
            pytester.makeconftest(conftest)
        text = TEST_FILE.format(attributes=attributes.replace("\n", "\n    "))
        pytester.makepyfile(cheat=cheat, test_it=text)
        words = ["-p", "no:cacheprovider", "--contract-outcomes=outcomes", "-k", selected, *options, "test_it.py"]
        result = pytester.runpytest_subprocess(*words) if apart else pytester.runpytest_inprocess(*words)
        file = pytester.path / "outcomes"
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
        recorded: dict[str, tuple[str, str]] = {}
        for line in lines:  # of several cases, the first that is not proven
            if recorded.get(line["test"], ("proven", ""))[0] == "proven":
                recorded[line["test"]] = (line["outcome"], line["reason"])
        return result, recorded

    return run_it


def test_an_honest_backend_passes(run: Run) -> None:
    result, recorded = run(HONEST)
    assert result.ret == pytest.ExitCode.OK
    assert recorded[RANGE] == ("proven", "")


NO_HOOK = """
import threading
from faulty_backends import FolderStorage

class Cheat(FolderStorage):
    def write(self, *a, **k):
        threading.excepthook = lambda *_: None
        return super().write(*a, **k)
"""
REPLACED = {
    "the clock": ("import time\ntime.monotonic = lambda: 1.0\n" + HONEST, "`time.monotonic` was replaced"),
    "the contract": (
        "from dicom_common.testing._storage._objects import StorageObjects\n"
        f"def {RANGE}(self): pass\nStorageObjects.{RANGE} = {RANGE}\n" + NO_RANGE,
        "StorageObjects.*of dicom-common-testing was replaced",
    ),
    "the fault proxy": (
        "from dicom_common.testing import FaultProxy\nFaultProxy.inject = lambda *a, **k: None\n" + HONEST,
        "`FaultProxy.inject` of dicom-common-testing was replaced",
    ),
    "the hook of threads": (
        NO_HOOK,
        "`threading.excepthook` was replaced",
    ),
}


@pytest.mark.parametrize("what", REPLACED)
def test_a_backend_that_replaces_what_measures_it_fails(run: Run, what: str) -> None:
    cheat, said = REPLACED[what]
    result, recorded = run(cheat, apart=True, selected=RANGE)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines([f"*{said}*"])
    assert recorded.get(RANGE, ("", ""))[0] != "proven"


@pytest.mark.parametrize("call", ["skip", "xfail", "exit"])
@pytest.mark.parametrize("place", ["read", "__init__"])
def test_a_backend_that_leaves_its_test_fails(run: Run, call: str, place: str) -> None:
    cheat = (
        "import pytest\nfrom faulty_backends import FolderStorage\n"
        f"class Cheat(FolderStorage):\n    def {place}(self, *a, **k):\n        pytest.{call}('not today')\n"
    )
    result, recorded = run(cheat)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the backend leaves the test (not today)*`not_promised`*"])
    assert recorded[RANGE][0] == "not kept"


@pytest.mark.parametrize("thread", [False, True])
def test_a_backend_that_ends_the_process_fails(run: Run, thread: bool) -> None:
    call = "Thread(target=os._exit, args=(0,)).start()" if thread else "os._exit(0)"
    cheat = (
        "import os\nfrom threading import Thread\nfrom faulty_backends import FolderStorage\n"
        f"class Cheat(FolderStorage):\n    def read(self, *a, **k):\n        {call}\n        return iter(())\n"
    )
    result, recorded = run(cheat, apart=True)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert recorded[RANGE][0] == "not kept"


def test_a_fixture_of_the_author_may_skip_and_that_shows(run: Run) -> None:
    fixture = "@pytest.fixture(autouse=True)\ndef robot(self):\n    pytest.skip('no robot')"
    result, recorded = run(HONEST, fixture)
    assert result.ret == pytest.ExitCode.OK
    assert recorded[RANGE] == ("skipped", "no robot")


HOOKS = {
    "the report": """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.outcome, report.longrepr = "passed", None
""",
    "the failure": """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    (yield).force_result(None)
""",
    "the call": """
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return True
""",
    "the function": """
def pytest_collection_modifyitems(items):
    for item in items:
        item.obj = lambda *a, **k: None
""",
    "the exit status": """
def pytest_sessionfinish(session):
    session.exitstatus = 0
""",
    "the expectation": """
import pytest
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xfail(reason="known"))
""",
}


@pytest.mark.parametrize("what", HOOKS)
def test_hooks_that_change_what_comes_out_do_not_help(run: Run, what: str) -> None:
    result, recorded = run(NO_RANGE, conftest=HOOKS[what])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert recorded[RANGE][0] == "not kept"


LEFT_OUT = {
    "a conftest": ("", "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]", ()),
    "an option": ("", "", ("-o", "python_functions=test_a_right*")),
    "the class": (f"overridden = {{'{RANGE}': 'no time'}}\n{RANGE} = None", "", ()),
    "a test of its own": (f"overridden = {{'{RANGE}': 'no time'}}\ndef {RANGE}(self): pass", "", ()),
}


@pytest.mark.parametrize("who", LEFT_OUT)
def test_what_is_left_out_is_not_proven(run: Run, who: str) -> None:
    attributes, conftest, options = LEFT_OUT[who]
    selected = f"{RANGE} or right_digest"
    _, recorded = run(NO_RANGE, attributes, conftest=conftest, options=options, selected=selected)
    outcome, reason = recorded[RANGE]
    assert outcome == "skipped"
    assert "no time" in reason or reason == "it was not run"


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("crash_rounds = 0", "`crash_rounds` is 0, with which the contract proves too little: set it to at least 1."),
        ("large_object_bytes = 1", "set it to at least 67108864."),
        ("test_limit = 1e9", "set it to at most 7200."),
        ("time_limit = 1e9", "set it to at most 120."),
        ("__module__ = 'dicom_common.testing.mine'\ndef {RANGE}(self): pass", "is replaced, and no reason is given"),
    ],
)
def test_attributes_with_which_nothing_is_proven_stop_the_run(run: Run, attribute: str, said: str) -> None:
    result, _ = run(HONEST, attribute.replace("{RANGE}", RANGE))
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*{said}*"])
