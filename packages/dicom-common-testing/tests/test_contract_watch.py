"""Contracts cannot be fooled: what used to pass without being proven fails, and says in plain words what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

# Imported here, they are not imported again for each run.
from dicom_common.testing import BrokerContract, CacheContract, StorageContract

pytest_plugins = ["pytester"]

CONTRACTS = (BrokerContract, CacheContract, StorageContract)
BACKENDS = Path(__file__).with_name("faulty_backends.py").read_text(encoding="utf-8")
HEAD = """
from functools import partial
from threading import Thread
import time
import pytest
from dicom_common.core import BatchWrites, Groups, NotFoundError, RefusedError
from dicom_common.testing import BrokerContract, CacheContract, StorageContract
from faulty_backends import *

"""
STORAGE = """
class TestIt(StorageContract):
    crash_rounds = 1
    {attributes}

    @pytest.fixture
    def open_storage(self, tmp_path):
        return {made}
"""
FOLDER = 'partial(FolderStorage, str(tmp_path / "objects"))'
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a test file beside the faulty backends."""
    pytester.makepyfile(faulty_backends=BACKENDS)
    pytester.syspathinsert()
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))  # children import the backends, too

    def run_file(text: str, selected: str = "", *, files: Mapping[str, str] | None = None) -> pytest.RunResult:
        named = {name: HEAD + each for name, each in (files or {"test_it": text}).items()}
        pytester.makepyfile(**named)
        names = [f"{name}.py" for name in named]
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", selected, *names)

    return run_file


def storage(attributes: str = "", *, made: str = FOLDER) -> str:
    return STORAGE.format(attributes=attributes.replace("\n", "\n    "), made=made)


def of(name: str) -> str:
    return FOLDER.replace("FolderStorage", name)


def test_a_storage_that_deletes_before_it_writes_is_seen_by_a_reader_in_a_thread(run: Run) -> None:
    selected = "readers_see_whole_objects"
    result = run(storage(made=of("CheatingStorage")), selected)
    result.assert_outcomes(failed=1, deselected=None)
    result.stdout.fnmatch_lines(["*a thread of this test failed:*", "*NotFoundError: There is no such object.*"])


def test_the_exception_of_any_thread_fails_the_test(run: Run) -> None:
    own = "def test_mine(self):\n    thread = Thread(target=lambda: 1 / 0)\n    thread.start()\n    thread.join()"
    run(storage(own), "test_mine").stdout.fnmatch_lines(["*a thread of this test failed:*", "*ZeroDivisionError*"])


def test_the_error_of_a_child_that_was_to_be_killed_fails_the_test(run: Run) -> None:
    selected = "test_a_killed_writer"
    result = run(storage(made=of("FailingElsewhere")), selected)
    result.stdout.fnmatch_lines(
        ["*a child process of this test failed: BackendError: the third write of a child fails*"]
    )


def test_what_cannot_be_handed_to_a_child_is_said_in_words(run: Run) -> None:
    result = run(storage(made="lambda: FolderStorage(str(tmp_path))"), "of_many_processes")
    result.assert_outcomes(failed=1, deselected=None)
    result.stdout.fnmatch_lines(["*Build what the fixture returns of installed code*functools.partial*"])


def test_a_call_that_hangs_fails(run: Run) -> None:
    result = run(storage("test_limit = 1", made=of("HangingCheck")), "check_says")
    result.stdout.fnmatch_lines(["*the test has taken more than 1 s*a call of the backend hangs*"])


BROKER = """
class TestIt(BrokerContract):
    time_limit = 4

    @pytest.fixture
    def open_at(self):
        return lambda endpoint: SlowBroker({seconds})
"""


def test_a_broker_whose_check_takes_long_while_its_server_is_away_fails(run: Run) -> None:
    run(BROKER.format(seconds=0), "away").assert_outcomes(passed=2, deselected=None)
    result = run(BROKER.format(seconds=5), "away")
    result.assert_outcomes(failed=2, deselected=None)
    result.stdout.fnmatch_lines(["*the server is refusing connections, and `check` took * s*time_limit*4 s*"])


def test_a_backend_that_needs_a_server_has_to_say_how_it_is_opened_elsewhere(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_COMMON_TEST_MADE_UP", "127.0.0.1:1")
    text = '@pytest.mark.service("made-up")' + storage()
    run(text, "away").stdout.fnmatch_lines(
        ["*has no fixture `open_at`: write one in the class that returns a callable*"]
    )
    assert run(storage(), "away").parseoutcomes()["skipped"] == 2


STAT = "test_size_and_time_are_known"
REFUSED = {
    "a test that passes": (
        f"def {STAT}(self):\n    pass",
        f"{STAT} of the contract is replaced, and no reason is given",
    ),
    "no test": (f"{STAT} = None", f"{STAT} of the contract is replaced, and no reason is given"),
    "a method of the contract": ("def _crash(self, *_):\n    pass", "_crash of the contract is replaced"),
    "a reason for what is not replaced": (f'overridden = {{"{STAT}": "why"}}', f"`overridden` names {STAT}, which"),
    "no reason": (f'overridden = {{"{STAT}": " "}}\n{STAT} = None', f"`overridden` gives no reason for {STAT}"),
    "no such test": ('not_promised = {"test_other": "why"}', "`not_promised` names test_other, which is no test"),
}


def test_classes_that_would_prove_less_than_they_say_stop_the_run(run: Run) -> None:
    classes = [
        storage(attributes).replace("TestIt", f"Test{at}") for at, (attributes, _) in enumerate(REFUSED.values())
    ]
    separate = {f"test_{at}": text for at, text in enumerate(classes)}
    result = run("", files=separate)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines_random([f"*Test{at}: {message}*" for at, (_, message) in enumerate(REFUSED.values())])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_xfail_of_the_class_stops_the_run(run: Run) -> None:
    result = run("@pytest.mark.xfail(reason='x')" + storage())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is marked `xfail`: say in `not_promised` what the backend does not promise*"])


def test_a_declared_replacement_is_taken(run: Run) -> None:
    run(storage(f'overridden = {{"{STAT}": "why"}}\n{STAT} = None'), STAT).assert_outcomes(deselected=None)


def test_a_fixture_is_there_to_be_replaced(run: Run) -> None:
    text = """
from dicom_common.testing import ExtensionContract

class TestIt(ExtensionContract):
    name = "made-up"

    @pytest.fixture
    def offered_instances(self):
        return []
"""
    assert run(text, "no_test_of_this_name").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_what_is_not_promised_has_to_fail_and_only_in_its_class(run: Run) -> None:
    digest = "test_a_wrong_digest_writes_nothing"
    promise = f'not_promised = {{"{STAT}": "the clock is odd", "{digest}": "digests are not compared"}}'
    odd = "class Odd(FolderStorage):\n    def stat(self, key):\n        raise NotFoundError('')\n"
    made = FOLDER.replace("FolderStorage", "Odd")
    result = run(odd + storage(promise, made=made), f"{STAT} or {digest}")
    result.assert_outcomes(xfailed=2, deselected=None)
    result = run(storage(promise), f"{STAT} or {digest}")
    result.assert_outcomes(failed=2, deselected=None)
    result.stdout.fnmatch_lines(["*XPASS(strict)*the clock is odd*"])
    below = odd + storage(promise, made=made) + "\nclass TestBelow(TestIt):\n    pass\n"
    run(below, STAT).assert_outcomes(xfailed=1, failed=1, deselected=None)


def test_one_case_can_be_not_promised(run: Run) -> None:
    negative = "test_a_negative_range_is_refused_by_the_call"
    case = f"{negative}[-1-None]"
    result = run(storage(f'not_promised = {{"{case}": "why"}}'), negative)
    result.assert_outcomes(xfailed=1, failed=2, deselected=None)


def test_abilities_are_those_that_are_declared(run: Run) -> None:
    cases = [
        ("BatchingStorage", "", "the backend offers *BatchWrites*: add them to `abilities` of TestIt"),
        ("FolderStorage", "abilities = (BatchWrites,)", "but the backend lacks a method of them"),
        ("FolderStorage", "abilities = (Groups,)", "which this contract does not know"),
    ]
    files = {f"test_{at}": storage(declared, made=of(made)) for at, (made, declared, _) in enumerate(cases)}
    result = run("", "abilities_that_are_declared", files=files)
    result.assert_outcomes(failed=3, deselected=None)
    result.stdout.fnmatch_lines_random([f"*{message}*" for _, _, message in cases])


def test_the_tests_of_an_ability_run_where_it_is_declared(run: Run) -> None:
    declared = storage("abilities = (BatchWrites,)", made=of("BatchingStorage"))
    result = run("", "test_an_empty_batch", files={"test_undeclared": storage(), "test_declared": declared})
    result.assert_outcomes(passed=1, skipped=1, deselected=None)


def test_a_missing_fixture_is_said_in_words(run: Run) -> None:
    result = run("class TestIt(CacheContract):\n    pass\n", "test_a_second_value")
    result.stdout.fnmatch_lines(["*has no fixture `open_cache`: write one in the class that returns a callable*"])


def test_the_parameters_of_contract_tests_are_not_those_of_an_authors_fixtures(run: Run) -> None:
    names = ["key", "size", "kind", "start", "length", "prefix", "value", "topic", "name", "seed", "fault", "case"]
    fixtures = "".join(f"@pytest.fixture(scope='module')\ndef {name}():\n    return 'mine'\n" for name in names)
    asked = "".join(f"        assert {name} == 'mine'\n" for name in names)
    text = storage().replace("(self, tmp_path):\n", f"(self, tmp_path, {', '.join(names)}):\n{asked}")
    result = run(fixtures + text, "bytes_come_back or range")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 10
    assert not outcomes.keys() & {"errors", "error"}


def test_a_key_that_is_refused_is_asked_for_nowhere(run: Run) -> None:
    picky = """
def is_refused(key):
    return not key.isascii() or key.lower() != key or len(key) > 100

class Picky(FolderStorage):
    def file(self, key):
        path = super().file(key)
        if is_refused(key):
            raise RefusedError("The store folds names, and has no long ones.")
        return path

from dicom_common.testing._storage._keys import LONGEST_KEY, MIXED_KEYS
from dicom_common.testing._storage._samples import ODD_KEYS
ALL = (*ODD_KEYS, *MIXED_KEYS, LONGEST_KEY, "患/者", "a/b c/é")
"""
    refused = "refused_keys = frozenset(filter(is_refused, ALL))"
    result = run(picky + storage(refused, made=of("Picky")), "key and not no_key or scan or prefix")
    assert result.parseoutcomes().get("failed", 0) == 0, result.stdout.str()


LEAKING = {
    "descriptors": "os.open(os.devnull, os.O_RDONLY)",
    "threads": "Thread(target=time.sleep, args=(20,), daemon=True).start()",
    "temporary_files": "os.close(tempfile.mkstemp()[0])",
}


@pytest.mark.parametrize("what", LEAKING)
def test_a_storage_whose_calls_leave_something_behind_fails(run: Run, what: str) -> None:
    cheat = f"""
import os, tempfile

class Leaking(FolderStorage):
    def stat(self, key):
        {LEAKING[what]}
        return super().stat(key)
"""
    result = run(cheat + storage(made=of("Leaking")), "leave_nothing_open")
    result.assert_outcomes(failed=1, deselected=None)
    result.stdout.fnmatch_lines([f"*{what}*after 20 rounds*"])


def test_a_storage_that_drops_what_begins_a_page_fails(run: Run) -> None:
    cheat = """
class Paging(FolderStorage):
    def scan(self, prefix="", *, after=""):
        for number, found in enumerate(super().scan(prefix, after=after), start=1):
            if number != 1001:
                yield found
"""
    selected = "more_than_a_page or leave_nothing_open"
    run(cheat + storage(made=of("Paging")), selected).assert_outcomes(failed=1, passed=1, deselected=None)
