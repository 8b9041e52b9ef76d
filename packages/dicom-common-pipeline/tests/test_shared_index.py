"""Worker processes of an ingest leave the index to the process that started them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site, extension_source

from dicom_common.core import AddStatus, Entry, Origin, UnavailableError
from dicom_common.dicom import read
from dicom_common.host import Services
from dicom_common.pipeline import TopicSettings, ingest_files
from dicom_common.pipeline._events._messages import IngestEvents, Trace
from dicom_common.pipeline._shared_index import Question, SharedIndex

_LISTS_MODULES = """
@hookimpl
def dicom_common_stored(self, instances):
    import sys
    with open({path!r}, "a") as file:
        print(os.getpid(), *sorted(name for name in sys.modules if "." not in name), file=file)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install an extension by its name and source."""

    def install_source(name: str, source: str) -> None:
        folder = tmp_path / "path"
        metadata = folder / f"made_{name}-1.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"made_{name}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made_{name}\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text(f"[dicom_common.extension]\n{name} = made_{name}\n")
        monkeypatch.syspath_prepend(folder)

    return install_source


Write = Callable[[Sequence[bytes]], list[Path]]
Install = Callable[[str, str], None]


def test_worker_processes_import_no_database_library(
    site: Site, make: Make, write: Write, install: Install, tmp_path: Path
) -> None:
    listed = tmp_path / "modules.txt"
    install("listing", extension_source("listing", _LISTS_MODULES.format(path=str(listed))))
    files = write([make(number) for number in range(1, 71)])
    config = site.config(extensions=["listing"], ingest__batch_instances="10")
    assert {result.status for result in ingest_files(config, files, tenant="local", jobs=2)} == {"stored"}
    lines = [line.split() for line in listed.read_text().splitlines()]
    others = [line for line in lines if line[0] != str(os.getpid())]  # the first file is this process's
    assert len(others) == len(lines) - 1 == 7
    for _, *modules in others:
        assert "dicom_common" in modules
        assert not {"sqlalchemy", "alembic"} & set(modules)
    assert len(site.rows) == 70


_COUNTS = """
@hookimpl
def dicom_common_stored(self, instances):
    found = sum(1 for _ in self.db().instances("local", instances[0].study_uid))
    with open({path!r}, "a") as file:
        print(found, file=file)
"""


def test_an_extension_that_is_built_on_the_index_has_one_of_its_own(
    site: Site, make: Make, write: Write, install: Install, tmp_path: Path
) -> None:
    counted = tmp_path / "counts.txt"
    source = extension_source("counting", _COUNTS.format(path=str(counted)))
    source = source.replace("Settings, Made)", 'Settings, Made, built_on=lambda settings: ("db",))')
    source = source.replace("self, settings):\n        pass", "self, settings, db):\n        self.db = db")
    install("counting", source)
    files = write([make(number) for number in range(1, 71)])
    config = site.config(extensions=["counting"], ingest__batch_instances="35")
    assert {result.status for result in ingest_files(config, files, tenant="local", jobs=2)} == {"stored"}
    assert max(map(int, counted.read_text().split())) == 70


def test_what_was_written_is_indexed_though_the_rest_is_not_wanted(site: Site, make: Make, write: Write) -> None:
    files = write([make(number) for number in range(1, 101)])
    results = ingest_files(site.config(ingest__batch_instances="10"), files, tenant="local", jobs=2)
    next(results)  # of this process
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(site.objects) == len(site.rows) >= 10
    site.assert_consistent()


def addition(make: Make, *numbers: int) -> IngestEvents:
    """What a worker asks to be indexed."""
    entries = []
    for number in numbers:
        data = read(make(number))
        key = f"local/{number}.dcm"
        entries.append(
            Entry(tenant="local", key=key, instance=data.instance, metadata=data.metadata, received=datetime.now(UTC))
        )
    traces = [Trace(f"trace-{number}", Origin(), f"node-{numbers[0]}") for number in numbers]
    return IngestEvents(entries=entries, traces=traces, topics=TopicSettings(), log=True)


def ask(services: Services, *additions: IngestEvents) -> list[Any]:
    return SharedIndex(services).answer([Question("add", (one,)) for one in additions])


def test_what_several_processes_add_at_once_shares_a_transaction(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Services(site.config()) as services:
        sizes, real = list[int](), services.db.add

        def counted(entries: Sequence[Entry], **events: Any) -> Any:
            sizes.append(len(entries))
            return real(entries, **events)

        monkeypatch.setattr(services.db, "add", counted)
        first, second = ask(services, addition(make, 1, 2), addition(make, 3))
    assert sizes == [3]
    assert [[outcome.key for outcome in answer.value] for answer in (first, second)] == [
        ["local/1.dcm", "local/2.dcm"],
        ["local/3.dcm"],
    ]
    assert len(site.events("dicom_state_queue")) == 1, "they are of one series"
    assert len(site.events("log_queue")) == 3


def test_an_addition_that_fails_takes_no_other_with_it(site: Site, make: Make) -> None:
    good, bad = addition(make, 1), addition(make, 2)
    bad = replace(bad, traces=[])
    with Services(site.config()) as services:
        failed, taken, also_taken = ask(services, bad, good, addition(make, 3))
    assert "ValueError" in str(failed.error)
    assert [taken.value[0].status, also_taken.value[0].status] == [AddStatus.ADDED] * 2
    assert {row.key for row in site.rows} == {"local/1.dcm", "local/3.dcm"}


def test_an_index_that_is_away_is_the_error_of_all(site: Site, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with Services(site.config()) as services:
        _ = services.db

        def away(*_: Any, **__: Any) -> Any:
            raise UnavailableError("the index is away")

        monkeypatch.setattr(services.db, "add", away)
        answers = ask(services, addition(make, 1), addition(make, 2))
    assert [type(answer.error) for answer in answers] == [UnavailableError] * 2


def test_a_question_is_answered_by_the_index(site: Site, make: Make) -> None:
    [stored] = site.store(make(1))
    with Services(site.config()) as services:
        services.db.discard(["local/left.dcm"])
        index = SharedIndex(services)
        found, discarded = index.answer([Question("stored", ("local", [stored.sop_uid])), Question("discarded", (10,))])
    assert found.value[stored.sop_uid].key == stored.key
    assert discarded.value == ["local/left.dcm"]
