"""Ingesting many files, in one process or several: each is answered once, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pipeline_site import Make, Site, extension_source

from dicom_common.core import ConfigError, DicomCommonError
from dicom_common.pipeline import Result, ingest_files

Write = Callable[[Sequence[bytes]], list[Path]]


@pytest.fixture
def files(make: Make, write: Write) -> list[Path]:
    return write([make(sop, series=sop % 3) for sop in range(1, 151)])


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_file_is_answered_once(site: Site, files: list[Path], tmp_path: Path, jobs: int) -> None:
    bad = [tmp_path / "absent", files[0].with_name("bad.dcm")]
    bad[1].write_bytes(b"no DICOM")
    small = site.config(ingest__batch_instances="20")
    results = list(ingest_files(small, iter([*bad, *files]), tenant="local", jobs=jobs))
    assert sorted(result.name for result in results) == sorted(map(str, [*bad, *files]))
    assert Counter(str(result.status) for result in results) == {"stored": 150, "rejected": 2}
    again = list(ingest_files(small, files, tenant="local", jobs=jobs))
    assert {(result.status, result.reason) for result in again} == {("duplicate", "same-bytes")}
    assert len(site.rows) == len(site.objects) == len(site.events("dicom_image_queue")) == 150
    site.assert_consistent()


def test_few_files_start_no_process(site: Site, files: list[Path]) -> None:
    before = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    results = ingest_files(site.config(), files[:10], tenant="local", jobs=8)
    next(results)
    assert Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text() == before
    assert sum(1 for _ in results) == 9


@pytest.mark.parametrize("jobs", [None, 1, 2])
def test_the_first_file_is_answered_before_the_second_is_looked_for(
    site: Site, files: list[Path], jobs: int | None
) -> None:
    found: list[Path] = []

    def walk() -> Iterator[Path]:
        for file in files[:5]:
            found.append(file)
            yield file

    results = ingest_files(site.config(), walk(), tenant="local", jobs=jobs)
    assert next(results).status == "stored"
    assert found == files[:1]
    assert len(site.rows) == 1
    assert sum(1 for _ in results) == 4


def test_by_default_some_hundred_files_start_no_process(site: Site, files: list[Path]) -> None:
    before = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    results = ingest_files(site.config(ingest__batch_instances="40"), files, tenant="local")
    for _ in range(100):
        next(results)
    assert Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text() == before
    assert sum(1 for _ in results) == 50


@pytest.mark.parametrize(("count", "jobs"), [(10, 2), (100, 2), (100, 1)])
def test_files_that_end_with_an_error_are_answered_before_it(
    site: Site, files: list[Path], count: int, jobs: int
) -> None:
    def failing() -> Iterator[Path]:
        yield from files[:count]
        raise PermissionError("a folder")

    results: list[Result] = []
    with pytest.raises(PermissionError):
        results.extend(ingest_files(site.config(ingest__batch_instances="30"), failing(), tenant="local", jobs=jobs))
    assert len(results) == len(site.rows) == count
    site.assert_consistent()


def test_what_is_no_tenant_is_refused_at_once(site: Site, files: list[Path]) -> None:
    with pytest.raises(ConfigError):
        next(ingest_files(site.config(), files, tenant="No"))


def test_backends_that_cannot_be_opened_are_an_error_not_an_answer_for_ever(site: Site, files: list[Path]) -> None:
    site.data.mkdir()
    (site.data / "objects").write_bytes(b"a file where a folder should be")
    for jobs in (1, 2):
        with pytest.raises(DicomCommonError):
            list(ingest_files(site.config(), files, tenant="local", jobs=jobs))


_DEADLY = """
@hookimpl
def dicom_common_accept(self, tenant, instance, origin):
    if instance.instance_number == 77:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_that_kills_its_reader_is_found_and_its_neighbours_go_on(
    site: Site, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "path"
    metadata = folder / "made_deadly-1.dist-info"
    metadata.mkdir(parents=True)
    (folder / "made_deadly.py").write_text(extension_source("deadly", _DEADLY))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: made_deadly\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[dicom_common.extension]\ndeadly = made_deadly\n")
    monkeypatch.syspath_prepend(folder)
    config = site.config(extensions=["deadly"], ingest__batch_instances="10")
    results = {result.name: result for result in ingest_files(config, files, tenant="local", jobs=2)}
    died = results.pop(str(files[76]))
    assert (died.status, died.reason) == ("rejected", "reader-died")
    assert {str(result.status) for result in results.values()} == {"stored"}
    assert len(results) == len(site.rows) == 149
    site.assert_consistent()


_KILLED = """
import sys
from pathlib import Path
from dicom_common.host import Config
from dicom_common.pipeline import find_files, ingest_files
config = Config.load(overrides={"data": sys.argv[1], "ingest.batch_instances": "5"}, variables={})
for result in ingest_files(config, find_files([Path(sys.argv[2])]), tenant="local", jobs=2):
    print(result.sop_uid, result.key, flush=True)
"""


@pytest.mark.kills
@pytest.mark.parametrize("answers", [1, 40])
def test_what_was_answered_before_a_kill_is_there_and_the_next_run_goes_on(
    site: Site, files: list[Path], answers: int
) -> None:
    command = [sys.executable, "-c", _KILLED, str(site.data), str(files[0].parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline().split() for _ in range(answers)]
        os.killpg(process.pid, signal.SIGKILL)
        answered += [line.split() for line in process.stdout.read().splitlines()[:-1]]
    keys = {row.sop_uid: row.key for row in site.rows}
    objects = site.objects
    for sop_uid, key in answered:
        assert keys[sop_uid] == key
        assert objects[key] == files[int(sop_uid.rpartition(".")[2]) - 1].read_bytes()
    again = list(ingest_files(site.config(), files, tenant="local", jobs=1))
    assert {str(result.status) for result in again} <= {"stored", "duplicate"}
    assert len(site.rows) == len(site.objects) == len(site.events("dicom_image_queue")) == 150
    site.assert_consistent()
