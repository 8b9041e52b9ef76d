"""Group commit: what waits is stored together, each sender has its own answer, and no one waits without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from held_groups import LIMIT, Gate, answers, received, statuses, submit, thread, wait_until_waiting
from pipeline_site import Make, Site

from dicom_common.core import Stored, Write
from dicom_common.pipeline import Ingest, Relay, Result


def test_what_waits_while_a_group_is_written_is_the_next_group(site: Site, make: Make) -> None:
    services = site.services()
    writes, adds = Gate(services.storage, "write_many"), Gate(services.db, "add")
    adds.open()
    with Ingest(services) as ingest:
        futures = submit(ingest, make(1))
        writes.wait()
        futures += submit(ingest, *(make(number) for number in range(2, 9)))
        writes.open()
        assert statuses(futures) == ["stored"] * 8
        assert {future.result().key for future in futures} == {row.key for row in site.rows}
    assert writes.sizes == adds.sizes == [1, 7]
    site.assert_consistent()


def test_the_next_group_is_written_while_one_is_indexed(site: Site, make: Make) -> None:
    services = site.services()
    adds, writes = Gate(services.db, "add"), Gate(services.storage, "write_many")
    writes.open()
    with Ingest(services) as ingest:
        first = submit(ingest, make(1))
        adds.wait()
        second = submit(ingest, make(2))
        writes.wait()
        writes.wait()
        assert not first[0].done()
        adds.open()
        assert statuses(first + second) == ["stored"] * 2


def test_a_lone_sender_does_its_work_in_its_own_thread(site: Site, make: Make) -> None:
    services = site.services()
    threads = set()
    for backend, method in ((services.storage, "write_many"), (services.db, "add")):
        real: Any = getattr(backend, method)

        def call(*arguments: Any, real: Any = real, **named: Any) -> Any:
            threads.add(threading.get_ident())
            return real(*arguments, **named)

        setattr(backend, method, call)
    before = threading.active_count()
    with Ingest(services) as ingest:
        for number in range(1, 4):
            [result] = ingest.store([received(make(number))], tenant="local")
            assert result.status == "stored"
        assert threads == {threading.get_ident()}
        assert threading.active_count() == before


def test_threads_that_store_share_groups_and_each_has_its_own_answers(site: Site, make: Make) -> None:
    services = site.services()
    writes = Gate(services.storage, "write_many")
    results: dict[int, list[Result]] = {}
    with Ingest(services) as ingest:

        def work(number: int) -> None:
            batch = [received(make(10 * number + one)) for one in range(1, number + 2)]
            results[number] = ingest.store(batch, tenant="local")

        senders = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        senders[0].start()
        writes.wait()
        for sender in senders[1:]:
            sender.start()
        while len(ingest._groups._unanswered) < 21:  # until all of them wait
            time.sleep(0.001)
        writes.open()
        for sender in senders:
            sender.join(LIMIT)
    assert writes.sizes == [1, 20]
    for number in range(6):
        expected = [f"2.25.1.1.1.{10 * number + one}" for one in range(1, number + 2)]
        assert [result.sop_uid for result in results[number]] == expected
        assert {str(result.status) for result in results[number]} == {"stored"}


def test_a_group_has_one_tenant_distinct_instances_and_bounds(site: Site, make: Make) -> None:
    services = site.services(ingest__batch_instances="3")
    writes = Gate(services.storage, "write_many")
    groups: list[set[str]] = []
    real = services.storage.write_many  # type: ignore[attr-defined]  # the storage offers it

    def note(content: Sequence[Write]) -> Any:
        groups.append({write.key.partition("/")[0] for write in content})
        return real(content)

    services.storage.write_many = note  # type: ignore[attr-defined]  # the same
    with Ingest(services) as ingest:
        futures = submit(ingest, make(1))
        writes.wait()
        futures += submit(ingest, make(2), make(3), make(2, payload=b"x"), tenant="a")
        futures += submit(ingest, make(2), make(3), make(4), make(5))
        writes.open()
        assert statuses(futures[:3] + futures[4:]) == ["stored"] * 7
        assert answers(futures[3:4])[0].reason == "duplicate-differs"
    assert all(len(tenants) == 1 for tenants in groups)
    assert max(writes.sizes) == 3


def test_a_group_is_bounded_in_bytes_and_a_larger_instance_is_one_by_itself(site: Site, make: Make) -> None:
    services = site.services(ingest__batch_bytes="10000")
    writes = Gate(services.storage, "write_many")
    with Ingest(services) as ingest:
        futures = submit(ingest, make(1))
        writes.wait()
        futures += submit(ingest, *(make(number, payload=b"x" * 4000) for number in (2, 3, 4)))
        futures += submit(ingest, make(5, payload=b"x" * 50_000))
        writes.open()
        assert statuses(futures) == ["stored"] * 5
    assert writes.sizes == [1, 2, 1, 1]


def test_several_that_are_submitted_together_are_one_question_and_have_their_own_answers(
    site: Site, make: Make
) -> None:
    services = site.services()
    with Ingest(services) as ingest:
        assert ingest.submit(received(make(1)), tenant="local").result(LIMIT).status == "stored"
        real, asked = services.db.stored, list[int]()

        def stored(tenant: str, sop_uids: Iterable[str]) -> dict[str, Stored]:
            asked.append(len(sop_uids := list(sop_uids)))
            return real(tenant, sop_uids)

        services.db.stored = stored  # type: ignore[method-assign]  # it is counted, and nothing is replaced
        together = (make(1), make(2), b"not DICOM", make(3), make(2), make(4))
        futures = ingest.submit_all([received(data) for data in together], tenant="local")
        assert [futures[0].done(), futures[2].done()] == [True, True]
        assert statuses(futures) == ["duplicate", "stored", "rejected", "stored", "duplicate", "stored"]
        assert ingest.submit_all([], tenant="local") == []
    assert asked[0] == 4
    assert sum(asked[1:]) <= 1  # the instance that was there twice, when its turn had come
    site.assert_consistent()


def test_submit_blocks_while_too_much_is_unanswered(site: Site, make: Make) -> None:
    services = site.services(ingest__batch_instances="2")
    writes = Gate(services.storage, "write_many")
    futures: list[Future[Result]] = []
    with Ingest(services) as ingest:
        futures += submit(ingest, *(make(number) for number in range(1, 7)))
        with thread(lambda: futures.extend(submit(ingest, make(7)))) as blocked:
            blocked.join(0.05)
            assert blocked.is_alive()
            assert len(futures) == 6
            writes.open()
        assert statuses(futures) == ["stored"] * 7


@pytest.mark.parametrize("policy", ["reject", "replace", "keep"])
def test_the_same_instance_goes_in_the_order_of_its_submission(site: Site, make: Make, policy: str) -> None:
    versions = [make(payload=bytes([65 + number]) * 9) for number in range(5)]
    with site.ingest(ingest__duplicates=policy) as ingest:
        futures = submit(ingest, *versions)
        found = statuses(futures)
    later = {"reject": "rejected", "replace": "replaced", "keep": "duplicate"}[policy]
    assert found == ["stored", *[later] * 4]
    assert list(site.objects.values()) == [versions[-1 if policy == "replace" else 0]]
    site.assert_consistent()


@pytest.mark.parametrize("way", ["store", "submit"])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("BA", ["replaced", "replaced"]),
        ("ABA", ["duplicate", "replaced", "replaced"]),
        ("BBA", ["replaced", "duplicate", "replaced"]),
        ("BAA", ["replaced", "replaced", "duplicate"]),
        ("BCBA", ["replaced"] * 4),
    ],
)
def test_what_the_index_has_is_not_a_duplicate_while_its_replacement_is_on_the_way(
    site: Site, make: Make, way: str, sent: str, expected: list[str]
) -> None:
    versions = {name: make(payload=name.encode() * 9) for name in "ABC"}
    site.store(versions["A"])
    services = site.services(ingest__duplicates="replace")
    with Ingest(services) as ingest:
        if way == "submit":
            writes = Gate(services.storage, "write_many")
            futures = submit(ingest, *(versions[name] for name in sent))
            writes.open()
            found = statuses(futures)
        else:
            results = ingest.store([received(versions[name]) for name in sent], tenant="local")
            found = [str(result.status) for result in results]
    assert found == expected
    assert list(site.objects.values()) == [versions[sent[-1]]]
    site.assert_consistent()


def test_a_refusal_and_a_duplicate_wait_for_no_group(site: Site, make: Make) -> None:
    services = site.services()
    site.store(make(9))
    writes = Gate(services.storage, "write_many")
    with Ingest(services) as ingest:
        slow = submit(ingest, make(1))
        writes.wait()
        bad, known = submit(ingest, b"no DICOM", make(9))
        assert bad.done()
        assert bad.result().status == "rejected"
        assert known.done()
        assert known.result().status == "duplicate"
        writes.open()
        assert statuses(slow) == ["stored"]


def test_eight_senders_of_single_instances(site: Site, make: Make) -> None:
    services = site.services()
    with Ingest(services) as ingest:

        def work(number: int) -> None:
            for one in range(1, 13):
                data = make(100 * number + one, series=number + 1, study=number % 3 + 1)
                future = ingest.submit(received(data), tenant="local")
                assert future.result(LIMIT).status == "stored"

        senders = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(LIMIT)
    assert len(site.rows) == len(site.objects) == len(site.events("dicom_image_queue")) == 96
    site.assert_consistent()


def test_in_queued_mode_a_group_is_published_together(site: Site, make: Make) -> None:
    services = site.services(ingest__mode="queued")
    writes = Gate(services.storage, "write_many")
    published: list[int] = []
    real: Any = services.broker.publish

    def publish(topic: str, messages: Sequence[Any]) -> Any:
        published.append(len(messages))
        return real(topic, messages)

    services.broker.publish = publish  # type: ignore[method-assign]  # a moment is looked at, nothing is replaced
    with Ingest(services) as ingest:
        futures = submit(ingest, make(1))
        writes.wait()
        futures += submit(ingest, make(2), make(3), make(4))
        writes.open()
        assert statuses(futures) == ["queued"] * 4
    assert published == [1, 3]
    assert Relay(services).run_once() == 0


def test_a_long_list_lets_others_in_between(site: Site, make: Make) -> None:
    services = site.services(ingest__batch_instances="2")
    writes = Gate(services.storage, "write_many")
    with Ingest(services) as ingest:
        done: list[str] = []

        def send(name: str, *sources: bytes) -> None:
            ingest.store([received(source) for source in sources], tenant="local")
            done.append(name)

        with thread(lambda: send("many", *(make(number) for number in range(40)))):
            writes.wait()
            with thread(lambda: send("one", make(50))):
                wait_until_waiting(ingest, 7)
                writes.open()
        assert done == ["one", "many"]
    site.assert_consistent()
