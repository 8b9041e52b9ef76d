"""Sweeps of the builder of metadata documents: what is quiet is made, and nothing is passed over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from documents_site import STUDY, Open, documents_of, tell
from pipeline_site import ROOT, Make, Site

from dicom_common.core import BackendError, UnavailableError
from dicom_common.pipeline import BuildStatus, BuiltDocument, DocumentBuilder


def test_a_sweep_makes_what_is_quiet_and_goes_on_from_there(
    site: Site, make: Make, open_documents: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.store(*(make(1, series=series, study=study) for study in (1, 2) for series in (1, 2)))
    services, _ = open_documents()
    assert list(DocumentBuilder(services, quiet_seconds=3600).run()) == []
    monkeypatch.setattr("dicom_common.pipeline._documents._build._LATE", timedelta(0))
    sweep = DocumentBuilder(services)
    built = list(sweep.run())
    assert {one.status for one in built} == {BuildStatus.BUILT}
    assert sorted((one.study_uid, one.series_uid or "") for one in built) == [
        (f"{ROOT}.{study}", f"{ROOT}.{study}.{series}" if series else "") for study in (1, 2) for series in (0, 1, 2)
    ]
    assert list(sweep.run()) == []
    assert {one.status for one in DocumentBuilder(services).run()} == {BuildStatus.CURRENT}
    site.store(make(2, series=2))
    later = DocumentBuilder(services, position=sweep.position)
    assert [(one.study_uid, one.series_uid, one.status) for one in later.run()] == [
        (STUDY, f"{ROOT}.1.2", BuildStatus.BUILT),
        (STUDY, None, BuildStatus.BUILT),
    ]


def test_a_sweep_does_not_pass_over_what_may_still_be_committed(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, _ = open_documents()
    sweep = DocumentBuilder(services)
    assert len(list(sweep.run())) == 2
    assert sweep.position == ""  # it changed a moment ago: the next sweep looks at it once more
    assert {one.status for one in sweep.run()} == {BuildStatus.CURRENT}
    assert datetime.now(UTC) > services.db.revisions("local", STUDY)[0].changed  # type: ignore[attr-defined]  # it is a Revisions


def test_a_sweep_does_not_pass_over_a_document_that_was_not_made(
    site: Site, make: Make, open_documents: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.store(make(1), make(1, study=2))
    services, _ = open_documents()
    monkeypatch.setattr("dicom_common.pipeline._documents._build._LATE", timedelta(0))
    storage = tell(services, "storage")

    def fail_once(*_: Any) -> None:
        storage.before.clear()
        raise UnavailableError("The storage is away for a moment.")

    storage.before["write"] = fail_once
    sweep = DocumentBuilder(services)
    assert [one.status for one in sweep.run()].count(BuildStatus.FAILED) == 1
    assert [one.status for one in sweep.run()].count(BuildStatus.BUILT) == 1
    assert len(documents_of(site)) == 4


def test_a_sweep_ends_where_nothing_can_be_written(site: Site, make: Make, open_documents: Open) -> None:
    site.store(*(make(1, study=study) for study in range(1, 9)))
    services, _ = open_documents()

    def fail(*_: Any) -> None:
        raise UnavailableError("The storage is down.")

    tell(services, "storage").before["write"] = fail
    sweep = DocumentBuilder(services)
    built: list[BuiltDocument] = []
    with pytest.raises(BackendError, match=r"5 documents in a row could not be made\. The storage is down"):
        built.extend(sweep.run())
    assert sweep.position == ""
