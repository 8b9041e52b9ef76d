"""Metadata documents go with what they are of, also while they are made."""

from __future__ import annotations

from typing import Any

import pytest
from documents_site import SERIES, SERIES_KEY, STUDY, STUDY_KEY, Open, documents_of, tell
from pipeline_site import ROOT, Make, Site

from dicom_common.core import NotFoundError
from dicom_common.pipeline import DocumentBuilder, delete_discarded, remove


def test_a_study_that_is_removed_while_its_document_is_written_leaves_none(
    site: Site, make: Make, open_documents: Open
) -> None:
    site.store(make(1))
    services, documents = open_documents()
    storage = tell(services, "storage")
    storage.before["write"] = lambda *_: services.db.remove("local", STUDY)
    with pytest.raises(NotFoundError):
        documents.build("local", STUDY)
    assert documents_of(site) == set()


def test_removing_takes_the_documents_away(site: Site, make: Make, open_documents: Open) -> None:
    site.store(*(make(1, series=series, study=study) for study in (1, 2) for series in (1, 2)))
    services, _ = open_documents()
    list(DocumentBuilder(services).run())
    everything = documents_of(site)
    assert len(everything) == 6
    remove(services, "local", STUDY, SERIES)
    assert everything - documents_of(site) == {STUDY_KEY, SERIES_KEY}
    remove(services, "local", f"{ROOT}.2")
    assert documents_of(site) == {f"local/metadata/20260102/{STUDY}/{ROOT}.1.2.json"}
    remove(services, "local", STUDY)
    assert documents_of(site) == set()
    assert site.discarded == []


def test_documents_are_to_be_deleted_before_their_rows_go(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents()
    documents.study("local", STUDY).close()
    db = tell(services, "db")
    entered: list[str] = []
    db.before["remove"] = lambda *_: entered.extend(db.real.discarded(10))
    remove(services, "local", STUDY)
    assert set(entered) == {STUDY_KEY, SERIES_KEY}  # whoever dies now leaves none of them


def test_a_document_that_is_made_again_while_its_study_is_removed_goes_too(
    site: Site, make: Make, open_documents: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.store(make(1))
    services, documents = open_documents()
    real = services.db.remove

    def later(*place: Any, **events: Any) -> Any:
        delete_discarded(services)  # as another process does, before the rows go
        assert documents.build("local", STUDY)
        return real(*place, **events)

    monkeypatch.setattr(services.db, "remove", later)
    remove(services, "local", STUDY)
    assert documents_of(site) == set()


def test_cleaning_finds_what_is_not_referred_to(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), make(1, study=2))
    services, documents = open_documents()
    list(DocumentBuilder(services).run())
    services.db.remove("local", f"{ROOT}.2")  # around `remove`, as after a crash
    site.store(make(2, StudyDate="20260303", InstanceCreationDate="20260303"))  # dates the study anew
    services.storage.write("local/metadata/readme.txt", b"somebody else's")
    assert set(documents.clean("local")) == {
        STUDY_KEY,
        SERIES_KEY,
        f"local/metadata/20260102/{ROOT}.2.json",
        f"local/metadata/20260102/{ROOT}.2/{ROOT}.2.1.json",
    }
    assert documents_of(site) == {"local/metadata/readme.txt"}
    documents.study("local", STUDY).close()
    assert list(documents.clean("local")) == []
    assert f"local/metadata/20260303/{STUDY}.json" in documents_of(site)
