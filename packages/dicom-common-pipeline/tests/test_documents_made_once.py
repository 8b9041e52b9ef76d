"""Metadata documents are made once: kept in storage and cache, and by one maker at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from documents_site import STUDY, STUDY_KEY, Open, documents_of, sops, tell, text_of
from pipeline_site import Make, Site


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
    give_up = time.monotonic() + 60
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
