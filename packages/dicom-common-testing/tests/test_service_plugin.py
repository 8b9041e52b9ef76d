from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

NEEDS_TWO = """
import pytest

@pytest.mark.service("made-up")
def test_with_endpoint(service_endpoint):
    assert (service_endpoint.host, service_endpoint.port) == ("127.0.0.1", 6379)

@pytest.mark.service("made-up")
def test_without_fixture(service_finder):
    assert str(service_finder("made-up")) == "127.0.0.1:6379"

def test_that_needs_nothing():
    pass
"""


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DICOM_COMMON_TEST_MADE_UP", raising=False)


def report_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_test_without_its_server_is_skipped_and_the_reason_names_the_variable(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NEEDS_TWO)
    result = pytester.runpytest_subprocess("-rs", "--strict-markers")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*no server for made-up: set DICOM_COMMON_TEST_MADE_UP=host:port*"])


def test_with_require_services_a_missing_server_is_a_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NEEDS_TWO)
    result = pytester.runpytest_subprocess("--require-services")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*no server for made-up: set DICOM_COMMON_TEST_MADE_UP=host:port*"])


def test_a_test_that_cannot_start_its_own_server_is_skipped_or_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_own(without_service): without_service('the program made-up is not there')")
    skipped = pytester.runpytest_subprocess("-rs")
    skipped.assert_outcomes(skipped=1)
    skipped.stdout.fnmatch_lines(["*the program made-up is not there*"])
    pytester.runpytest_subprocess("--require-services").assert_outcomes(failed=1)


def test_the_environment_names_the_server(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_COMMON_TEST_MADE_UP", "127.0.0.1:6379")
    pytester.makepyfile(NEEDS_TWO)
    pytester.runpytest_subprocess("--require-services").assert_outcomes(passed=3)


def test_the_report_names_each_test_that_was_expected_to_fail(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.xfail(reason="the server ignores preconditions")
        @pytest.mark.parametrize("size", [1, 2])
        def test_one_winner(size):
            assert False
        """
    )
    pytester.runpytest_subprocess("--service-report=report.jsonl").assert_outcomes(xfailed=2)
    found = [(line["outcome"], line["promise"], line["reason"]) for line in report_of(pytester.path / "report.jsonl")]
    assert found == [("xfailed", f"test_one_winner[{n}]", "the server ignores preconditions") for n in (1, 2)]


NEEDS_OPTIONS = """
import pytest

@pytest.mark.service("made-up")
def test_with_options(service_options):
    assert service_options == {"access_key": "from here"}
"""


def test_options_of_a_server_are_found_beside_its_endpoint(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(NEEDS_OPTIONS)
    pytester.mkdir("tools").joinpath("services.py").write_text(
        "print('export DICOM_COMMON_TEST_MADE_UP=127.0.0.1:6379')\n"
        "print('export DICOM_COMMON_TEST_MADE_UP_ACCESS_KEY=\"from here\"')\n"
    )
    pytester.runpytest_subprocess("--rootdir", ".").assert_outcomes(passed=1)
    # The keys of one server are not given to another one.
    monkeypatch.setenv("DICOM_COMMON_TEST_MADE_UP", "127.0.0.1:6379")
    pytester.runpytest_subprocess("--rootdir", ".").assert_outcomes(failed=1)


def test_a_server_that_the_repository_started_is_found(pytester: pytest.Pytester) -> None:
    pytester.mkdir("tools").joinpath("services.py").write_text(
        "import sys\nassert sys.argv[1:] == ['env']\nprint('export DICOM_COMMON_TEST_MADE_UP=127.0.0.1:6379')\n"
    )
    pytester.makepyfile(NEEDS_TWO)
    pytester.runpytest_subprocess("--require-services", "--rootdir", ".").assert_outcomes(passed=3)


def test_a_variable_that_is_no_endpoint_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_COMMON_TEST_MADE_UP", "6379")
    pytester.makepyfile(NEEDS_TWO)
    result = pytester.runpytest_subprocess()
    assert "DICOM_COMMON_TEST_MADE_UP must be host:port" in result.stdout.str() + result.stderr.str()
    assert result.ret != 0


def test_the_report_counts_by_server_and_says_why_tests_were_skipped(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pytester.mkdir("pack").joinpath("tests")
    folder.mkdir()
    folder.joinpath("test_two.py").write_text(NEEDS_TWO + "\ndef test_bad():\n    assert 0\n")
    pytester.runpytest_subprocess("--service-report", "reports/services.jsonl", "pack")
    skipped = report_of(pytester.path / "reports" / "services.jsonl")
    monkeypatch.setenv("DICOM_COMMON_TEST_MADE_UP", "127.0.0.1:6379")
    pytester.runpytest_subprocess("--service-report", "reports/services.jsonl", "pack")
    both = report_of(pytester.path / "reports" / "services.jsonl")
    assert both[: len(skipped)] == skipped, "the report is appended to"
    assert {(line["service"], line["outcome"], line["count"]) for line in skipped} == {
        ("", "passed", 1),
        ("", "failed", 1),
        ("made-up", "skipped", 2),
    }
    [why] = [line["reason"] for line in skipped if line["outcome"] == "skipped"]
    assert "set DICOM_COMMON_TEST_MADE_UP=host:port" in str(why)
    assert {
        "suite": "pack",
        "service": "made-up",
        "endpoint": "127.0.0.1:6379",
        "origin": "environment",
        "outcome": "passed",
        "reason": "",
        "promise": "",
        "count": 2,
    } in both


def test_a_failing_assert_of_a_contract_explains_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from dicom_common.core import Health, HealthStatus
        from dicom_common.testing import CacheContract

        class Broken:
            def check(self): return Health(status=HealthStatus.FAILED, detail="broken on purpose")
            def close(self): pass

        class TestBroken(CacheContract):
            @pytest.fixture
            def open_cache(self):
                return Broken
        """
    )
    result = pytester.runpytest_subprocess("-k", "check_says")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*where*Health(status=*broken on purpose*"])
