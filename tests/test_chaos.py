"""Everything is killed, again and again, and at the end nothing is missing and nothing is there twice.

Receivers in queued mode, workers and relays, each a process, with PostgreSQL, Kafka and Redis; each of them, the
servers too, is killed with SIGKILL and started again, in an order and at moments that a seed decides. A short form by
default; in full by `python3 tools/dev.py test chaos`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest
from chaos_site import CANNOT_START, HANG, Site, running_site
from corpus import instances, small_template

from dicom_common.core import Delivery
from dicom_common.host import Services
from dicom_common.testing.servers import AbsentError

INSTANCES = int(os.environ.get("DICOM_COMMON_TEST_CHAOS_INSTANCES", "300"))
KILLS = int(os.environ.get("DICOM_COMMON_TEST_CHAOS_KILLS", "6"))
SEED = int(os.environ.get("DICOM_COMMON_TEST_CHAOS_SEED", "20261122"))
TOPICS = ("log_queue", "dicom_state_queue", "dicom_image_queue")


@pytest.fixture
def site(tmp_path: Path, without_service: Callable[[str], NoReturn]) -> Iterator[Site]:
    files = list(instances(small_template(), INSTANCES, per_series=20, series_per_study=3))
    try:
        with running_site(tmp_path, files) as site:
            yield site
    except AbsentError as absent:
        without_service(str(absent))


@pytest.mark.kills
def test_whatever_is_killed_nothing_acknowledged_is_lost_or_there_twice_or_out_of_order(site: Site) -> None:
    started = time.monotonic()
    killed = _kill_all_the_time(site, random.Random(SEED))
    _wait_until(site, "all is acknowledged", lambda: all(receiver.code == 0 for receiver in site.receivers))
    _wait_until(site, "all is indexed and published", lambda: _backlog(site) == 0)
    codes = {program.name: program.stop() for program in (*site.workers, *site.relays)}
    # One that was killed last may be starting still: it has nothing yet that would end it in good order, or the server
    # that was killed last was away.
    allowed = {0, -signal.SIGTERM, CANNOT_START}
    assert set(codes.values()) <= allowed, f"{codes}: a worker that met a dead letter ends with 1"

    _assert_indexed_once(site)
    delivered = _everything_on(site, (*TOPICS, "storage_queue"))
    twice = _assert_published_in_order(site, delivered)
    asked = Counter(json.loads(each.message.body)["sop_uid"] for each in delivered["storage_queue"])
    assert set(site.acknowledged()) <= asked.keys()
    dead = _everything_on(site, tuple(f"{topic}.dead" for topic in (*TOPICS, "storage_queue")))
    assert not any(dead.values())
    healed = _assert_stored_once(site)
    print(
        f"\nseed {SEED}: {INSTANCES} instances, killed {dict(killed)}, {time.monotonic() - started:.0f} s;"
        f" twice on their topic {twice}, asked for more than once {sum(n > 1 for n in asked.values())},"
        f" orphans and strays healed {healed}"
    )


def _kill_all_the_time(site: Site, chance: random.Random) -> Counter[str]:
    """Kill a part of each kind in turn, spread over the time in which there is work, and start it again."""
    killed: Counter[str] = Counter()
    kinds: list[str] = []
    for number in range(KILLS):
        least = 2 * INSTANCES * (number + chance.random() / 2) / (KILLS + 1)
        _wait_until(site, f"kill {number}", partial(_has_come_so_far, site, least))
        time.sleep(chance.uniform(0, 0.3))
        parts = site.candidates()
        kinds = kinds or chance.sample(sorted(parts), len(parts))
        kind = kinds.pop()
        if not parts[kind]:
            kind = "worker"  # the receivers are done
        victim = chance.choice(parts[kind])
        victim.kill()
        killed[kind] += 1
        time.sleep(chance.uniform(0, 2))
        victim.start()
    return killed


def _has_come_so_far(site: Site, steps: float) -> bool:
    return len(site.acknowledged()) + site.indexed() >= steps


def _wait_until(site: Site, what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG
    while not is_so():
        for program in site.programs:
            program.supervise()
        assert time.monotonic() < end, (
            f"seed {SEED}: waited in vain for: {what}; {len(site.acknowledged())} acknowledged,"
            f" {site.indexed()} indexed, {_backlog(site)} wait"
        )
        time.sleep(0.05)


def _backlog(site: Site) -> int:
    """Count what still waits, in the broker and in the outbox."""
    with Services.from_file(site.configuration) as services:
        queued = services.broker.backlog("storage_queue", "dicom-common-workers")
        return queued + services.db.backlog().events


def _assert_indexed_once(site: Site) -> None:
    """What was acknowledged is indexed without the help of a reconciliation."""
    acknowledged = site.acknowledged()
    with Services.from_file(site.configuration) as services:
        indexed = Counter(stored.sop_uid for stored in services.db.walk())
    assert len(set(acknowledged)) == INSTANCES
    assert indexed == dict.fromkeys(acknowledged, 1)
    counts = site.sql("SELECT (SELECT count(*) FROM instance), (SELECT count(DISTINCT sop_uid) FROM instance)")
    assert counts == [(INSTANCES, INSTANCES)]


def _everything_on(site: Site, topics: tuple[str, ...]) -> dict[str, list[Delivery]]:
    """Return all messages of topics; those of a key in the order of their topic."""
    found: dict[str, list[Delivery]] = {}
    with Services.from_file(site.configuration) as services:
        for topic in topics:
            group, deliveries = f"chaos-{uuid4().hex}", found.setdefault(topic, [])
            with services.broker.consume([topic], group) as consumer:
                left = services.broker.backlog(topic, group)
                end = time.monotonic() + HANG
                while len(deliveries) < left:
                    assert time.monotonic() < end, f"{len(deliveries)} of {left} messages of {topic} arrive"
                    deliveries.extend(consumer.receive(1000, timeout=1))
    return found


def _assert_published_in_order(site: Site, delivered: dict[str, list[Delivery]]) -> dict[str, int]:
    """Each event is there, and those of a series came first in the order of the outbox; return how many came again."""
    written: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for topic, key, event in site.sql("SELECT topic, event_key, event_id FROM written ORDER BY pk"):
        written[topic, key].append(event)
    came: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for topic in TOPICS:
        for delivery in delivered[topic]:
            came[topic, delivery.message.key][delivery.message.headers["event-id"]] = None
    assert {place: list(events) for place, events in came.items()} == written
    _assert_that_events_tell_of_each_instance(site, delivered)
    return {topic: len(delivered[topic]) - sum(len(e) for (t, _), e in came.items() if t == topic) for topic in TOPICS}


def _assert_that_events_tell_of_each_instance(site: Site, delivered: dict[str, list[Delivery]]) -> None:
    acknowledged = set(site.acknowledged())
    for topic in ("log_queue", "dicom_image_queue"):
        events: defaultdict[str, set[str]] = defaultdict(set)
        for each in delivered[topic]:
            events[json.loads(each.message.body)["sop_uid"]].add(each.message.headers["event-id"])
        assert events.keys() == acknowledged
        assert all(len(ids) == 1 for ids in events.values()), "an instance was added twice"
    last: dict[str, int] = {}
    for each in delivered["dicom_state_queue"]:
        body = json.loads(each.message.body)
        last[body["series_uid"]] = max(last.get(body["series_uid"], 0), body["series_related_instances"])
    statement = "SELECT series_uid, count(*) FROM instance JOIN series ON series.pk = series_fk GROUP BY series_uid"
    counted: dict[str, int] = dict(site.sql(statement))
    assert last == counted


def _assert_stored_once(site: Site) -> int:
    """After a repair, the objects are those of the index, and their bytes those that were sent; return what it did."""
    repaired = site.command("reconcile", "--repair", "--json")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    differences = json.loads(repaired.stdout.splitlines()[-1])["differences"]
    assert differences.keys() <= {"orphan", "stray"}
    with Services.from_file(site.configuration) as services:
        objects = {info.key: b"".join(services.storage.read(info.key)) for info in services.storage.scan()}
        stored = {row.key: row.sha256 for row in services.db.walk()}
    assert {key: hashlib.sha256(content).hexdigest() for key, content in objects.items()} == stored
    sent = [file.read_bytes() for file in sorted(site.folder.glob("sender-*/*.dcm"))]
    assert sorted(objects.values()) == sorted(sent)
    return sum(differences.values())
