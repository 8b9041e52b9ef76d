"""An ingest of files waits for an index that is unavailable, for as long as `ingest.retry_timeout`."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pipeline_site import Make, Site

from dicom_common.pipeline import ingest_files


@pytest.fixture
def files(tmp_path: Path, make: Make) -> list[Path]:
    paths = [tmp_path / f"{number}.dcm" for number in range(100)]
    for number, path in enumerate(paths):
        path.write_bytes(make(number))
    return paths


@contextmanager
def locked(site: Site, seconds: float, behind: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Take the index away, and give it back so long behind something: another process has its lock."""
    site.store()
    with closing(sqlite3.connect(site.data / "index.sqlite", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        is_over = threading.Event()

        def give_back() -> None:
            while not behind() and not is_over.wait(0.01):
                pass
            if not is_over.wait(seconds):
                other.execute("ROLLBACK")

        back = threading.Thread(target=give_back)
        back.start()
        yield
        is_over.set()
        back.join()


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_ingest_goes_on_by_itself_when_the_index_is_back(site: Site, files: list[Path], jobs: int) -> None:
    config = site.config(db__busy_timeout="0.1", ingest__retry_timeout="60")
    with locked(site, 3):
        results = list(ingest_files(config, files, tenant="local", jobs=jobs))
    # What was taken though the answer did not arrive would be a duplicate; a lock lets nothing through.
    assert [result.status for result in results] == ["stored"] * len(files)
    assert len(site.objects) == len(site.rows) == len(files)
    site.assert_consistent()


def test_the_wait_and_its_end_are_told_once(site: Site, files: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    config = site.config(db__busy_timeout="0.1", ingest__retry_timeout="60", ingest__batch_instances="5")
    with caplog.at_level(logging.WARNING), locked(site, 0.5, behind=lambda: "Waiting for it" in caplog.text):
        results = list(ingest_files(config, files, tenant="local", jobs=1))
    assert {result.status for result in results} == {"stored"}
    told = [record.getMessage() for record in caplog.records if record.name == "dicom_common.pipeline._ingest._retry"]
    assert len(told) == 2
    assert "Waiting for it, for up to 60 s (ingest.retry_timeout)." in told[0]
    assert "the ingest goes on" in told[1]


def test_an_ingest_whose_retry_timeout_is_over_answers_all_files_and_does_not_wait_for_each(
    site: Site, files: list[Path]
) -> None:
    config = site.config(db__busy_timeout="0.01", ingest__retry_timeout="1", ingest__batch_instances="2")
    with locked(site, 600):
        start = time.monotonic()
        results = list(ingest_files(config, files, tenant="local", jobs=1))
        waited = time.monotonic() - start
        assert waited < len(files) / 2  # a second for each batch would be that long
        assert {(result.status, result.reason, result.retry) for result in results} == {
            ("rejected", "index-unavailable", True)
        }
