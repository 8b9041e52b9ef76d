"""`dead-letters`: what waits is listed without anything of a patient; what is replayed or dropped is gone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_command import Installation

from dicom_common.core import Message
from dicom_common.host import Config, Services

TOPIC, DEAD = "storage_queue", "storage_queue.dead"
PATIENT = "a-number-of-a-patient"
FIELDS = ["place", "topic", "reason", "attempts", "tenant", "study_uid", "series_uid", "event_id", "file_path"]


def services(installation: Installation) -> Services:
    return Services(Config.load(overrides={"data": str(installation.data)}, variables={}))


@pytest.fixture
def letters(new: Installation) -> Installation:
    """An installation with six dead letters of two studies."""
    messages = [
        Message(
            key=f"local|1.{number % 2}|2.{number % 2}",
            body=json.dumps({"patient_id": PATIENT, "file_path": f"local/{number}.dcm"}).encode(),
            headers={
                "event-id": f"event-{number}",
                "tenant": "local",
                "dead-reason": "object-missing" if number < 4 else "digest-differs",
                "dead-attempts": "3",
                "dead-topic": TOPIC,
                "dead-partition": "0",
                "dead-offset": str(number),
            },
        )
        for number in range(6)
    ]
    with services(new) as opened:
        opened.broker.publish(DEAD, messages)
    return new


def places(installation: Installation) -> list[str]:
    return [str(line["place"]) for line in installation("dead-letters", "list", "--json").lines]


def published(installation: Installation) -> list[Message]:
    with services(installation) as opened, opened.broker.consume([TOPIC], "look") as consumer:
        return [delivery.message for delivery in consumer.receive(1000, timeout=1)]


def test_what_waits_is_listed_and_nothing_of_a_patient(letters: Installation) -> None:
    table, lines = letters("dead-letters", "list"), letters("dead-letters", "list", "--json").lines

    assert table.code == 0
    assert len(table.out.splitlines()) == 7
    assert PATIENT not in table.out + json.dumps(lines)
    assert [line["place"] for line in lines] == [f"{TOPIC}/0/{number}" for number in range(6)]
    assert all(list(line) == [*FIELDS, "is_whole"] for line in lines)
    assert lines[1]["file_path"] == "local/1.dcm"
    assert places(letters) == [line["place"] for line in lines], "a list takes nothing away"


def test_the_body_is_shown_only_if_it_is_asked_for(letters: Installation) -> None:
    place = f"{TOPIC}/0/2"
    without, with_body = letters("dead-letters", "show", place), letters("dead-letters", "show", place, "--body")
    [line] = letters("dead-letters", "show", place, "--body", "--json").lines

    assert "dead-offset" in without.out
    assert PATIENT not in without.out
    assert PATIENT in with_body.out
    assert line["body"]["patient_id"] == PATIENT
    assert line["headers"]["dead-attempts"] == "3"


def test_nothing_is_done_with_letters_that_nobody_chose_or_said_yes_to(letters: Installation) -> None:
    letters("dead-letters", "drop").fails_with_one_line("--all")
    letters("dead-letters", "drop", "--all").fails_with_one_line("--yes")
    letters("dead-letters", "replay", "--reason", "no-such", "--yes").fails_with_one_line("dead-letters list")
    dry = letters("dead-letters", "replay", "--all", "--dry-run")
    assert (dry.code, dry.out) == (0, "6 dead letters would be replayed\n")
    assert len(places(letters)) == 6


def test_what_is_replayed_is_published_as_it_was_and_waits_no_more(letters: Installation) -> None:
    answer = letters("dead-letters", "replay", "--reason", "object-missing", "--study", "1.1", "--yes")

    assert (answer.code, answer.out) == (0, "2 dead letters replayed\n")
    assert {message.headers["event-id"] for message in published(letters)} == {"event-1", "event-3"}
    assert all(message.headers.keys() == {"event-id", "tenant"} for message in published(letters))
    assert places(letters) == [f"{TOPIC}/0/{number}" for number in (0, 2, 4, 5)]


def test_what_is_dropped_is_gone(letters: Installation) -> None:
    dropped = letters("dead-letters", "drop", f"{TOPIC}/0/3", f"{TOPIC}/0/5", "--yes", "--json")
    assert [line["place"] for line in dropped.lines] == [f"{TOPIC}/0/3", f"{TOPIC}/0/5"]
    assert letters("dead-letters", "drop", "--all", "--yes").out == "4 dead letters dropped\n"
    empty = letters("dead-letters", "list")
    assert (empty.code, empty.out, empty.err) == (0, "", "No dead letter waits.\n")
    assert not published(letters)


def test_one_that_was_too_large_is_told_and_not_replayed(new: Installation) -> None:
    with services(new) as opened:
        headers = {"event-id": "e", "dead-reason": "too-large", "dead-body": "omitted"}
        opened.broker.publish("log_queue.dead", [Message(key="local|1|2", body=b"", headers=headers)])
    answer = new("dead-letters", "replay", "--all", "--yes")
    assert (answer.code, answer.out) == (1, "0 dead letters replayed\n")
    assert "too large" in answer.err
    assert places(new) == ["log_queue/e"]


def test_init_makes_the_topics_of_dead_letters(new: Installation, tmp_path: Path) -> None:
    assert new("--config", tmp_path / "site.toml", "init").code == 0
    with closing(sqlite3.connect(new.data / "events.sqlite")) as database:
        topics = {name for (name,) in database.execute("SELECT name FROM topics")}
    assert {TOPIC, DEAD, "webapi_access_queue", "webapi_access_queue.dead", "log_queue.dead"} <= topics


def test_check_tells_what_waits(letters: Installation, samples: Path) -> None:
    letters.variables["DICOM_COMMON_TOPICS__IMAGE"] = "a topic / that no broker takes"
    assert letters("ingest", samples / "CT_small.dcm").code == 0
    letters.variables.clear()
    with services(letters) as opened:
        opened.broker.publish(TOPIC, [Message(key="local|1|2", body=b"{}")])

    answer = letters("check", "--json")

    lines = {line["kind"]: line for line in answer.lines}
    assert answer.code == 0
    assert lines["outbox"]["facts"]["events"] == 1
    assert lines["outbox"]["facts"]["oldest_seconds"] > 0
    assert (lines["outbox"]["backend"], lines["outbox"]["status"]) == ("sqlite", "ok")
    assert lines["worker"]["facts"] == {"messages": 1}
    assert (lines["dead-letters"]["status"], lines["dead-letters"]["facts"]) == ("degraded", {"letters": 6})
    assert "6 dead letters wait" in letters("check").out
