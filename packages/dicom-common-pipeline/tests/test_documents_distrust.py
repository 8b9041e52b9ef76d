"""A cache or a storage that fails, lies or is written to by others changes no metadata document."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from documents_site import QUIET, STUDY, STUDY_KEY, Open, Told, sops, tell, text_of
from pipeline_site import ROOT, Make, Site

from dicom_common.core import Health, UnavailableError
from dicom_common.pipeline import MetadataDocuments


def test_the_document_of_another_study_is_not_believed(site: Site, make: Make, open_documents: Open) -> None:
    """Nor garbage, nor half of the right one: in the storage under the right key."""
    site.store(make(1), make(1, study=2))
    services, documents = open_documents()
    right = text_of(documents.study("local", STUDY))
    documents.study("local", f"{ROOT}.2").close()
    objects = site.objects
    for wrong in (
        objects[f"local/metadata/20260102/{ROOT}.2.json"],
        objects[STUDY_KEY][:-10],
        objects[STUDY_KEY][:-10] + b"0123456789",
        b"",
        gzip.compress(b"[]"),
    ):
        services.storage.write(STUDY_KEY, wrong)
        _, documents = open_documents()
        assert text_of(documents.study("local", STUDY)) == right
        assert site.objects[STUDY_KEY] == objects[STUDY_KEY]  # and it is healed


class Lying:
    """A cache that gives anything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def get(self, key: str) -> Any:
        del key
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        self.get(f"{key}{value!r}{ttl}")

    def add(self, key: str, value: bytes, *, ttl: float) -> Any:
        return self.get(f"{key}{value!r}{ttl}") and None

    def delete(self, key: str, *, only_if: bytes | None = None) -> Any:
        return self.get(f"{key}{only_if!r}")

    def check(self) -> Health:
        raise AssertionError

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "answer",
    [b"", b"x" * 5000, b"[]", gzip.compress(b"[]"), 7, "text", None, True, UnavailableError("down"), OSError("odd")],
    ids=["empty", "long", "json", "gzip", "number", "text", "none", "true", "down", "broken"],
)
def test_a_cache_that_lies_or_fails_changes_no_answer(
    site: Site, make: Make, open_documents: Open, answer: Any
) -> None:
    site.store(make(1), make(2))
    for quiet in (0, 3600):
        services, documents = open_documents(documents__quiet_seconds=quiet, documents__wait_seconds=0.2)
        services._opened["cache"] = Lying(answer)
        for _ in range(3):
            assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1", "1.1.2"]


def test_a_cache_that_fails_is_asked_once_a_request(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents()
    cache = services._opened["cache"] = Lying(UnavailableError("down"))
    documents.study("local", STUDY).close()
    assert cache.asked == 1


def test_without_a_cache_that_can_be_opened_the_answer_is_the_same(site: Site, make: Make) -> None:
    site.store(make(1))
    documents = MetadataDocuments(site.services(cache__backend="not-installed", **QUIET))
    assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1"]


def test_a_cache_that_others_can_write_to_is_not_believed_with_a_secret(
    site: Site, make: Make, open_documents: Open
) -> None:
    site.store(make(1))
    settings = {"documents__quiet_seconds": 3600}
    forger, victim = open_documents(**settings), open_documents(**settings, documents__secret="ours")
    shared = forger[0].cache
    told = victim[0]._opened["cache"] = Told(shared)
    forger[1].study("local", STUDY).close()
    db = tell(victim[0], "db")
    victim[1].study("local", STUDY).close()
    assert told.count("get") > 0
    assert db.count("metadata") == 1


def test_a_storage_that_fails_changes_no_answer(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents()
    storage = tell(services, "storage")

    def fail(*_: Any) -> None:
        raise UnavailableError("down")

    storage.before = {"read": fail, "write": fail}
    assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1"]
    with pytest.raises(UnavailableError):
        documents.build("local", STUDY)
