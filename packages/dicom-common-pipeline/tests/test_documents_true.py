"""A metadata document says what the index has: through every change, and for each tenant."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from documents_site import SERIES, SERIES_KEY, STUDY, STUDY_KEY, Open, documents_of, sops, tell, text_of
from pipeline_site import Make, Site

from dicom_common.core import NotFoundError
from dicom_common.pipeline import Ingest, MetadataDocuments, Received, remove
from dicom_common.testing import make_entry, make_instance as indexed


def test_a_document_has_what_the_index_has(site: Site, make: Make, open_documents: Open) -> None:
    site.store(*(make(sop, series=series) for series in (1, 2) for sop in (1, 2, 3)))
    services, documents = open_documents()
    for series in (None, SERIES):
        expected = b"[" + b",\n".join(services.db.metadata("local", STUDY, series)) + b"]\n"
        for _ in range(2):
            with documents.series("local", STUDY, SERIES) if series else documents.study("local", STUDY) as document:
                assert b"".join(document.plain()) == gzip.decompress(b"".join(document.gzip())) == expected
                assert document.instances == (3 if series else 6)
    assert documents_of(site) == {STUDY_KEY, SERIES_KEY}
    assert gzip.decompress(site.objects[SERIES_KEY]) == expected


def test_every_change_is_seen_at_once(site: Site, make: Make, open_documents: Open) -> None:
    """New, replaced, removed, removed and added again: each with a document of before in storage and cache."""
    services, documents = open_documents(ingest__duplicates="replace")
    seen = []

    def look() -> None:
        text = text_of(documents.study("local", STUDY))
        assert text == b"[" + b",\n".join(services.db.metadata("local", STUDY)) + b"]\n"
        seen.append(text)

    site.store(make(1))
    look()
    site.store(make(2))
    look()
    site.store(make(2, patient="P1", payload=b"other", Rows=7), ingest__duplicates="replace")
    look()
    remove(services, "local", STUDY, SERIES, f"{SERIES}.1")
    look()
    remove(services, "local", STUDY)
    with pytest.raises(NotFoundError):
        documents.study("local", STUDY)
    site.store(make(2, patient="P1", payload=b"other", Rows=7))
    look()
    assert [sops(one) for one in seen] == [["1.1.1"], ["1.1.1", "1.1.2"], ["1.1.1", "1.1.2"], ["1.1.2"], ["1.1.2"]]
    assert b"00280010" in seen[2]


def test_a_change_while_a_document_is_made_is_in_it(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents()
    db = tell(services, "db")
    arriving = iter([make(2), make(3)])

    def arrive(*_: Any) -> None:
        if one := next(arriving, None):
            site.store(one)

    db.real, real = type("", (), {})(), db.real

    def metadata(*arguments: Any) -> Iterator[bytes]:
        objects = list(real.metadata(*arguments))
        arrive()  # after the rows were read, before the document is there
        return iter(objects)

    db.real.metadata, db.real.revisions, db.real.changed_series = metadata, real.revisions, real.changed_series
    assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1", "1.1.2", "1.1.3"]
    assert sops(gzip.decompress(site.objects[STUDY_KEY])) == ["1.1.1", "1.1.2", "1.1.3"]


def test_a_study_that_never_rests_is_given_and_not_kept(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents()
    db, cache = tell(services, "db"), tell(services, "cache")
    numbers = iter(range(2, 100))
    db.before["metadata"] = lambda *_: site.store(make(next(numbers)))
    with documents.study("local", STUDY) as document:
        assert document.revision is None
        assert len(sops(b"".join(document.plain()))) == 5
    assert cache.count("set") == 0
    assert documents_of(site) == set()


def test_no_tenant_sees_the_documents_of_another(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), tenant="one")
    site.store(make(1), make(2), tenant="two")
    _, documents = open_documents()
    for _ in range(2):
        assert sops(text_of(documents.study("one", STUDY))) == ["1.1.1"]
        assert sops(text_of(documents.study("two", STUDY))) == ["1.1.1", "1.1.2"]
        with pytest.raises(NotFoundError):
            documents.study("three", STUDY)


def test_a_study_that_was_not_there_is_there_as_soon_as_it_is_stored(site: Site, make: Make) -> None:
    """Two installations share the cache, as two processes do, and one of them has just found no study."""
    storing, asking = site.services(), site.services()
    asking._opened["cache"] = storing.cache
    documents = [MetadataDocuments(storing), MetadataDocuments(asking)]
    with Ingest(storing) as ingest:
        for sop in range(1, 4):
            for one in documents:
                with pytest.raises(NotFoundError):
                    one.study("local", STUDY)
                with pytest.raises(NotFoundError):
                    one.series("local", STUDY, SERIES)
            ingest.store([Received(source=make(sop), name="1")], tenant="local")
            for one in documents:
                assert sops(text_of(one.study("local", STUDY))) == [f"1.1.{sop}"]
                assert sops(text_of(one.series("local", STUDY, SERIES))) == [f"1.1.{sop}"]
            remove(storing, "local", STUDY)
        with pytest.raises(NotFoundError):
            documents[1].study("local", STUDY)


def test_what_one_tenant_has_not_is_not_absent_for_another(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), tenant="other")
    _, documents = open_documents()
    with pytest.raises(NotFoundError):
        documents.study("local", STUDY)
    assert sops(text_of(documents.study("other", STUDY))) == ["1.1.1"]


# BulkDataURIs

URL = "https://pacs.example/dicom-web"


def uris(text: bytes) -> list[str]:
    return [one["00420011"]["BulkDataURI"] for one in json.loads(text)]


def test_uris_are_relative_to_the_service_or_absolute(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1, payload=bytes(2000)))
    relative = f"studies/{STUDY}/series/{SERIES}/instances/{SERIES}.1/bulkdata/00420011"
    _, plain = open_documents()
    services, absolute = open_documents(public_url=f"{URL}/")
    assert services.config.general.public_url == URL
    assert uris(text_of(plain.study("local", STUDY))) == [relative]
    for _ in range(2):  # made, and out of cache and storage
        assert uris(text_of(absolute.study("local", STUDY))) == [f"{URL}/{relative}"]
        assert uris(text_of(absolute.series("local", STUDY, SERIES))) == [f"{URL}/{relative}"]
    with absolute.study("local", STUDY) as document:
        assert uris(gzip.decompress(b"".join(document.gzip()))) == [f"{URL}/{relative}"]
        revision = document.revision
    with plain.study("local", STUDY) as document:
        assert document.revision != revision, "an entity tag stands for one text"
        assert uris(b"".join(document.plain())) == [relative]


def test_an_argument_wins_over_the_setting(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1, payload=bytes(2000)))
    services, _ = open_documents(public_url=URL)
    for given, expected in (("http://x/", "http://x/studies/"), ("", "studies/"), (None, f"{URL}/studies/")):
        documents = MetadataDocuments(services, public_url=given)
        assert uris(text_of(documents.study("local", STUDY)))[0].startswith(expected)


def test_an_index_without_revisions_answers_itself(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents()
    real = services.db

    class Plain:
        metadata, remove, discarded = real.metadata, real.remove, real.discarded

    services._opened["db"] = Plain()
    with documents.study("local", STUDY) as document:
        assert document.revision is None
        assert sops(b"".join(document.plain())) == ["1.1.1"]
    with pytest.raises(NotFoundError):
        documents.study("local", "1.2.3")
    assert documents_of(site) == set()
    services._opened["db"] = real


def test_a_large_study_does_not_have_to_fit_into_memory(open_documents: Open) -> None:
    services, documents = open_documents()
    chance = random.Random(7)

    def peak(study: int, instances: int) -> int:
        for first in range(0, instances, 500):
            services.db.add([
                make_entry(
                    indexed(number, study=study),
                    metadata=b'{"00080018":{"vr":"UI","Value":["%s"]}}' % chance.randbytes(2048).hex().encode(),
                )
                for number in range(first, first + 500)
            ])  # fmt: skip
        tracemalloc.start()
        with documents.study("local", f"1.2.3.{study}") as document:
            assert sum(map(len, document.plain())) > instances * 4096
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # Above 4 MiB, compressed, memory grows with the list of row keys only: 32 bytes an instance and not 4,096.
    least, most = peak(1, 2500), peak(2, 5000)
    assert most < 1.3 * least
