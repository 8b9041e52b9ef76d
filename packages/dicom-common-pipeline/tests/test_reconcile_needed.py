"""Objects that a message needs, one that waits or a dead letter, are not discarded as strays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pipeline_site import Make, Site
from reconciled_site import KINDS, age, reconcile

from dicom_common.core import UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import DeadLetters, DifferenceKind, Reconciliation
from dicom_common.pipeline._reconcile._needed import Need, NeededObjects


def refuse_the_message(site: Site) -> None:
    """Do as a worker that cannot deal with the one message that waits."""
    with (
        Services(site.config()) as services,
        services.broker.consume(["storage_queue"], "dicom-common-workers") as consumer,
    ):
        [delivery] = consumer.receive(1, timeout=5)
        services.broker.publish("storage_queue.dead", [delivery.message])
        consumer.acknowledge([delivery])


def test_the_object_of_a_dead_letter_is_kept_as_long_as_the_letter_waits(site: Site, make: Make) -> None:
    queued = {"ingest__mode": "queued"}
    site.store(make())
    [result] = site.store(make(payload=b"other"), **queued)
    key = str(result.key)

    def strays() -> list[tuple[str, str]]:
        found = list(Reconciliation(site.config(), repair=True, jobs=1, restart=True).run())
        assert {(each.kind, each.key) for each in found} == {(DifferenceKind.STRAY, key)}
        return [(each.action, each.detail) for each in found]

    [(action, detail)] = strays()
    assert (action, detail) == ("none", Need.QUEUED)

    refuse_the_message(site)
    assert strays() == [("none", Need.DEAD_LETTER)]
    assert key in site.objects

    with Services(site.config()) as services, DeadLetters(services.broker, ["storage_queue"]) as letters:
        list(letters.drop(letters.read()))
    assert strays() == [("discarded", "")]
    assert key not in site.objects


def test_no_stray_is_discarded_while_another_one_has_the_dead_letters(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_common.pipeline._events._dead_letters._JOIN_SECONDS", 0.3)
    site.store(make())
    [result] = site.store(make(payload=b"other"), ingest__mode="queued")
    refuse_the_message(site)

    with Services(site.config()) as services, DeadLetters(services.broker, ["storage_queue"]) as letters:
        assert len(letters.read()) == 1
        [found] = reconcile(site, repair=True)

    assert (found.kind, found.action, found.detail) == (KINDS.STRAY, "none", Need.LETTERS_IN_USE)
    assert result.key in site.objects


def test_the_object_of_a_dead_letter_of_another_patient_is_kept_too(site: Site, make: Make) -> None:
    site.store(make(1))
    [result] = site.store(make(2, patient="P2"), ingest__mode="queued")
    refuse_the_message(site)
    reject = {"ingest__other_patient": "reject"}
    [found] = reconcile(site, repair=True, settings=reject)
    assert (found.kind, found.action, found.detail) == (KINDS.STRAY, "none", Need.DEAD_LETTER)
    assert result.key in site.objects

    with Services(site.config()) as services, DeadLetters(services.broker, ["storage_queue"]) as letters:
        list(letters.drop(letters.read()))
    [found] = reconcile(site, repair=True, settings=reject)
    assert (found.kind, found.action) == (KINDS.STRAY, "discarded")
    assert result.key not in site.objects


def test_an_object_whose_message_is_still_to_be_published_is_kept(site: Site, make: Make) -> None:
    [first] = site.store(make())
    key = str(first.key).replace(".dcm", "~0123456789abcdef.dcm")
    with Services(site.config()) as services:  # as a receiver in the middle of a batch
        services.storage.write(key, make(payload=b"newer"))
        services.storage.write(key.replace("~0", "~f"), make())  # one that died, and whose sender came again
    queued = {"ingest__mode": "queued"}
    found, copy = sorted(reconcile(site, repair=True, settings=queued), key=lambda each: each.key)
    assert (found.key, found.action, found.detail) == (key, "none", Need.MESSAGE_UNDERWAY)
    assert (copy.key, copy.action) == (key.replace("~0", "~f"), "discarded")
    assert sorted(site.objects) == sorted([str(first.key), key])

    age(site, key, 2 * 3600)
    [found] = reconcile(site, repair=True, settings=queued)
    assert (found.key, found.action) == (key, "discarded")


class Waiting:
    """A broker that goes on to the real one, but says what waits for workers before and behind who reads letters."""

    def __init__(self, real: Any, before: int, behind: int) -> None:
        self._real, self._count, self._behind = real, before, behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def consume(self, topics: Sequence[str], group: str) -> Any:
        self._count = self._behind
        return self._real.consume(topics, group)

    def backlog(self, topic: str, group: str) -> int:
        if topic != "storage_queue":
            return int(self._real.backlog(topic, group))
        if self._count < 0:
            raise UnavailableError("the broker is away")
        return self._count


@pytest.mark.parametrize(
    ("before", "behind", "why"),
    [(1, 0, Need.QUEUED), (0, 1, Need.QUEUED), (-1, -1, Need.UNKNOWN), (0, 0, None)],
    ids=["processed-meanwhile", "replayed-meanwhile", "away", "nothing"],
)
def test_what_waits_before_or_behind_the_reading_of_letters_may_be_any_object(
    site: Site, before: int, behind: int, why: Need | None
) -> None:
    services = site.services()
    services.broker.create_topics(["storage_queue", "storage_queue.dead"])
    services._opened["broker"] = Waiting(services.broker, before, behind)
    assert NeededObjects(services).why("local/any.dcm", datetime(2026, 1, 1, tzinfo=UTC)) is why
