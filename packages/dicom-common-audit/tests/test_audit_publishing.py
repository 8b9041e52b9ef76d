"""The trail reaches the outbox whole and in order, whatever was away meanwhile."""

from __future__ import annotations

import json
import os
from errno import ENOSPC
from pathlib import Path
from threading import Thread

import pytest
from audit_site import CANARY, KEY, event

from dicom_common.audit import Recorder
from dicom_common.audit._outbox import publish
from dicom_common.host import Services
from dicom_common.pipeline import message_schema


def services(folder: Path, **more: object) -> Services:
    settings = {"data": str(folder), "extensions": ["audit"], "audit.key": KEY.reveal(), "audit.free_bytes": 0}
    settings["extension_time_limit"] = 120.0
    return Services.from_file(overrides=settings | more)


def services_and_index(folder: Path) -> Services:
    """The same with the index open: on a busy machine that may take longer than the recorder waits for it."""
    opened = services(folder)
    assert opened.db
    return opened


def outbox(opened: Services) -> list[str]:
    return [found.id for found in opened.db.pending(1000, relay="test", lease=0)]


def test_each_record_is_an_event_once_in_order_and_its_header_has_no_patient(tmp_path: Path) -> None:
    told = [event(number, query=CANARY, user=None) for number in range(5)]
    with services_and_index(tmp_path) as opened:
        for one in told:
            assert opened.extensions.audit([one])
        events = opened.db.pending(1000, relay="test", lease=0)
    assert [found.id for found in events] == [one.id for one in told]
    assert [found.headers["audit-sequence"] for found in events] == list("12345")
    assert CANARY not in str([found.headers for found in events]) + str([found.body for found in events])
    assert {found.headers["tenant"] for found in events} == {"clinic"}
    body = json.loads(events[0].body)
    assert (body["path"], body["query_params"]) == ("/audit/instances-stored", "study=1.2.1")
    assert set(body) == set(message_schema("access")["required"]) == set(message_schema("access")["properties"])
    assert events[0].headers["schema-version"] == message_schema("access")["schemaVersion"]


def test_an_index_that_is_away_delays_events_and_loses_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    told = [event(number) for number in range(3)]
    with services(tmp_path, **{"db.path": str(tmp_path / "file" / "index.sqlite")}) as opened:
        assert opened.extensions.audit([told[0]])
        assert opened.extensions.audit([told[1]])
    assert len([text for text in caplog.messages if "wait in the trail" in text]) == 1, (
        "told once, then there is a pause"
    )
    with services(tmp_path) as opened:
        assert opened.extensions.audit([told[2]])
        assert outbox(opened) == [one.id for one in told]


def test_a_crash_behind_the_index_publishes_again_under_the_same_ids(tmp_path: Path) -> None:
    told = [event(number) for number in range(3)]
    with services_and_index(tmp_path) as opened:
        assert opened.extensions.audit(told[:2])
    (tmp_path / "audit" / "published.json").unlink()
    with services_and_index(tmp_path) as opened:
        assert opened.extensions.audit(told[2:])
        assert outbox(opened) == [one.id for one in (*told[:2], *told)]


def test_a_trail_that_is_not_to_be_published_touches_no_index(tmp_path: Path) -> None:
    with services(tmp_path, **{"audit.publish": False}) as opened:
        assert opened.extensions.audit([event()])
    assert not (tmp_path / "index.sqlite").exists()


def test_what_is_being_written_and_taken_back_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [event(number) for number in range(4)]
    with services_and_index(tmp_path) as opened:
        assert opened.extensions.audit([told[0]])
        recorder = opened.extensions["audit"]
        assert isinstance(recorder, Recorder)
        trail = recorder.trail
        publishing = Thread(target=lambda: publish(trail.folder, opened.db, trail.settings.topic), daemon=True)

        def fail(_: int) -> None:
            monkeypatch.undo()
            publishing.start()
            publishing.join(0.5)  # long enough to read what is not synced yet, if nothing kept it from that
            raise OSError(ENOSPC, "full")

        monkeypatch.setattr(os, "fdatasync", fail)
        assert not opened.extensions.audit([told[1]])
        publishing.join(60)
        assert opened.extensions.audit(told[2:])
        assert outbox(opened) == [told[0].id, told[2].id, told[3].id]
