"""What `dev.py test` tells of a run: nothing that was not proven is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from _suite import Counts, count, skip_reasons, unproven

TESTS = """
import pytest

class TestStore:
    @pytest.mark.xfail(reason="the server ignores preconditions")
    @pytest.mark.parametrize("size", [1, 2])
    def test_one_winner(self, size):
        assert False

    @pytest.mark.skip(reason="no server")
    def test_other(self):
        pass

def test_fine():
    pass
"""


def test_tests_that_were_expected_to_fail_are_told_by_name_and_reason(tmp_path: Path) -> None:
    (tmp_path / "test_made_up.py").write_text(TESTS)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=report.xml", "test_made_up.py"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    report = tmp_path / "report.xml"
    reason = "the server ignores preconditions"
    assert list(unproven(report)) == [(f"TestStore::test_one_winner[{size}]", reason) for size in (1, 2)]
    assert list(skip_reasons(report)) == ["no server"]
    assert count(report) == Counts(passed=1, skipped=3)
