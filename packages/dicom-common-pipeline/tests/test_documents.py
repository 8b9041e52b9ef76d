"""Metadata documents: always true, made once, and gone with what they are of."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pipeline_site import ROOT, Make, Site

from dicom_common.core import BackendError, Health, NotFoundError, UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import (
    BuildStatus,
    BuiltDocument,
    CopyOptions,
    CopyStatus,
    DocumentBuilder,
    MetadataDocuments,
    Reconciliation,
    copy_objects,
    delete_discarded,
    remove,
)
from dicom_common.testing import make_entry, make_instance as indexed

STUDY, SERIES = f"{ROOT}.1", f"{ROOT}.1.1"
STUDY_KEY, SERIES_KEY = (
    f"local/metadata/20260102/{STUDY}.json",
    f"local/metadata/20260102/{STUDY}/{SERIES}.json",
)
QUIET = {"documents__quiet_seconds": 0}
ABSENT = {"documents__absent_seconds": 0}


def text_of(document: Any) -> bytes:
    with document:
        return b"".join(document.plain())


def sops(text: bytes) -> list[str]:
    return [str(one["00080018"]["Value"][0]).removeprefix(f"{ROOT}.") for one in json.loads(text)]


def documents_of(site: Site) -> set[str]:
    return {key for key in site.objects if "/metadata/" in key}


@pytest.fixture
def open_documents(site: Site) -> Callable[..., tuple[Services, MetadataDocuments]]:
    def opened(**settings: Any) -> tuple[Services, MetadataDocuments]:
        services = site.services(**(QUIET | ABSENT | settings))
        return services, MetadataDocuments(services)

    return opened


Open = Callable[..., tuple[Services, MetadataDocuments]]


class Told:
    """A backend that goes on to the real one, and tells what it was asked. May be broken."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.calls: list[tuple[Any, ...]] = []
        self.before: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, *arguments))
            if name in self.before:
                self.before[name](*arguments)
            return getattr(self.real, name)(*arguments, **named)

        return call

    def count(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)


def tell(services: Services, kind: str) -> Told:
    told = Told(getattr(services, kind))
    services._opened[kind] = told
    return told


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


def test_a_document_that_was_made_is_read_and_not_made_again(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), make(2))
    _, documents = open_documents()
    first = text_of(documents.study("local", STUDY))
    services, documents = open_documents()  # with an empty cache
    db, storage = tell(services, "db"), tell(services, "storage")
    assert text_of(documents.study("local", STUDY)) == first
    assert text_of(documents.study("local", STUDY)) == first
    assert (db.count("metadata"), db.count("revisions")) == (0, 2)
    assert storage.count("read") == 1  # then it was in the cache


def test_a_large_document_is_kept_in_the_storage_only(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents(documents__cache_bytes=10)
    cache = tell(services, "cache")
    documents.study("local", STUDY).close()
    assert cache.count("set") == 0
    assert documents_of(site) == {STUDY_KEY}


def test_what_is_not_quiet_is_not_written_and_is_cached(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents(documents__quiet_seconds=3600)
    db = tell(services, "db")
    assert text_of(documents.study("local", STUDY)) == text_of(documents.study("local", STUDY))
    assert db.count("metadata") == 1
    assert documents_of(site) == set()


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


def test_no_tenant_sees_the_documents_of_another(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), tenant="one")
    site.store(make(1), make(2), tenant="two")
    _, documents = open_documents()
    for _ in range(2):
        assert sops(text_of(documents.study("one", STUDY))) == ["1.1.1"]
        assert sops(text_of(documents.study("two", STUDY))) == ["1.1.1", "1.1.2"]
        with pytest.raises(NotFoundError):
            documents.study("three", STUDY)


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


def test_an_absent_study_is_asked_for_once(site: Site, make: Make, open_documents: Open) -> None:
    services, documents = open_documents(documents__absent_seconds=0.3)
    db = tell(services, "db")
    for _ in range(5):
        with pytest.raises(NotFoundError):
            documents.study("local", STUDY)
        with pytest.raises(NotFoundError):
            documents.series("local", STUDY, SERIES)
    assert db.count("revisions") == 2
    site.store(make(1))
    time.sleep(0.35)
    assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1"]


def test_what_one_tenant_has_not_is_not_absent_for_another(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), tenant="other")
    _, documents = open_documents(documents__absent_seconds=60)
    with pytest.raises(NotFoundError):
        documents.study("local", STUDY)
    assert sops(text_of(documents.study("other", STUDY))) == ["1.1.1"]


def test_many_who_ask_at_once_have_it_made_once(site: Site, make: Make, open_documents: Open) -> None:
    site.store(*(make(sop) for sop in range(1, 20)))
    services, documents = open_documents()
    db = tell(services, "db")
    db.before["metadata"] = lambda *_: time.sleep(0.3)
    barrier = threading.Barrier(12)

    def ask(_: int) -> bytes:
        barrier.wait(30)
        return text_of(documents.study("local", STUDY))

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(ask, range(12)))
    assert len(answers) == 1
    assert db.count("metadata") == 1


def test_a_maker_that_died_is_not_waited_for_longer_than_is_said(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    for settings in ({"documents__wait_seconds": 0.2}, {"documents__hold_seconds": 0.2}):
        services, documents = open_documents(**(settings | {"documents__quiet_seconds": 3600}))
        cache = tell(services, "cache")
        died: list[str] = []

        def die(key: str, *_: Any, died: list[str] = died) -> None:
            died.append(key)
            raise KeyboardInterrupt

        cache.before["delete"] = die
        with pytest.raises(KeyboardInterrupt):
            documents.study("local", STUDY)
        assert died
        cache.before.clear()
        made = [key for name, key, *_ in cache.calls if name == "set"]
        for key in made:
            cache.real.delete(key)
        assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1"]


def test_a_lock_goes_by_itself_when_its_owner_died(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1))
    services, documents = open_documents(documents__hold_seconds=0.2)
    cache = tell(services, "cache")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    cache.before["delete"] = die
    with pytest.raises(KeyboardInterrupt):
        documents.study("local", STUDY)
    [lock] = [key for name, key, *_ in cache.calls if name == "add"]
    give_up = time.monotonic() + 10
    while cache.real.get(lock) is not None:
        assert time.monotonic() < give_up, "it never goes"
        time.sleep(0.02)


def test_a_maker_that_took_too_long_leaves_the_lock_of_the_next_one_alone(
    site: Site, make: Make, open_documents: Open
) -> None:
    site.store(make(1))
    services, documents = open_documents()
    cache, db = tell(services, "cache"), tell(services, "db")
    locks: list[str] = []

    def lose_it(*_: Any) -> None:
        locks.extend(key for name, key, *_ in cache.calls if name == "add")
        cache.real.delete(locks[0])
        assert cache.real.add(locks[0], b"another one's", ttl=60)

    db.before["metadata"] = lose_it
    documents.study("local", STUDY).close()
    [lock] = locks
    assert cache.real.get(lock) == b"another one's"


def test_what_another_one_made_before_this_one_s_turn_is_not_made_again(
    site: Site, make: Make, open_documents: Open
) -> None:
    site.store(make(1))
    services, documents = open_documents()
    _, others = open_documents()  # with a cache of their own
    cache, db = tell(services, "cache"), tell(services, "db")
    cache.before["add"] = lambda *_: others.study("local", STUDY).close()
    assert sops(text_of(documents.study("local", STUDY))) == ["1.1.1"]
    assert db.count("metadata") == 0


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


def test_reconcile_rebuild_and_copy_pass_over_documents(site: Site, make: Make, open_documents: Open) -> None:
    site.store(make(1), make(2, series=2))
    services, documents = open_documents()
    list(DocumentBuilder(services).run())
    before = site.objects
    assert list(Reconciliation(site.config(), jobs=1).run()) == []
    assert list(Reconciliation(site.config(), jobs=1, repair=True).run()) == []
    target = Site(site.data.parent / "target")
    copied = list(copy_objects(services.storage, target.services().storage, CopyOptions()))
    assert [one.status for one in copied] == [CopyStatus.COPIED] * 2
    assert documents_of(target) == set()
    right = text_of(documents.study("local", STUDY))
    services.close()
    for file in site.data.glob("index.sqlite*"):
        file.unlink()
    assert {one.action for one in Reconciliation(site.config(), jobs=1, rebuild=True).run()} == {"indexed"}
    assert site.objects == before
    _, documents = open_documents()
    assert text_of(documents.study("local", STUDY)) == right
    assert site.objects[STUDY_KEY] != before[STUDY_KEY]  # made anew: it is not known that the old one was right
    target.close()


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
