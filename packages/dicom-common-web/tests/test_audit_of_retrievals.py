"""What the audit trail gets to know of searches, retrievals and deletions (PS3.15 A.5.3)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid

STUDY = f"/studies/{study_uid()}"
INSTANCE = f"{STUDY}/series/{series_uid()}/instances/{instance_uid()}"
POLICY = {f"policy__{action}": {"roles": ["all"]} for action in ("search", "retrieve", "delete")}
PIXELS = grey(1, 2, PixelData=b"\1\2")


TOKEN = {"authorization": "Bearer tenant-a"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    audit = {"folder": str(tmp_path / "audit")}
    with live_server(tmp_path / "data", auth=TokenIsTenant(), extensions=["audit"], audit=audit, **POLICY) as live:
        live.store(make_instance(**PIXELS), tenant="tenant-a")
        yield live


def events(folder: Path, count: int) -> list[dict[str, Any]]:
    """Return what was recorded behind the store, when there are so many events: some are recorded behind an answer."""
    for _ in range(6000):
        lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
        found = [json.loads(line)["event"] for line in lines][1:]
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"there are {len(found)} events")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (STUDY, "instances-sent"),
        (INSTANCE, "instances-sent"),
        (f"{STUDY}/metadata", "instances-accessed"),
        (f"{INSTANCE}/metadata", "instances-accessed"),
        (f"{INSTANCE}/frames/1", "instances-accessed"),
        (f"{INSTANCE}/rendered", "instances-accessed"),
        (f"{STUDY}/thumbnail", "instances-accessed"),
        (f"{INSTANCE}/bulkdata/7FE00010", "instances-accessed"),
        (f"{STUDY}/pixeldata", "instances-accessed"),
    ],
)
def test_a_retrieval_tells_who_saw_whose_instances(server: LiveServer, tmp_path: Path, path: str, kind: str) -> None:
    assert server.client.get(path, headers=TOKEN).status_code == 200
    (event,) = events(tmp_path / "audit", 1)
    assert (event["kind"], event["outcome"]) == (kind, 0)
    assert (event["user"], event["address"], event["tenant"]) == ("user of tenant-a", "127.0.0.1", "tenant-a")
    (study,) = event["studies"]
    assert (study["study_uid"], study["patient_id"]) == (study_uid(), "P1")
    assert study["sop_classes"] == {"1.2.840.10008.5.1.4.1.1.7": 1}
    assert event["request_id"]


def test_a_search_tells_what_was_searched_for(server: LiveServer, tmp_path: Path) -> None:
    assert server.client.get("/studies?PatientID=P1", headers=TOKEN).status_code == 200
    (event,) = events(tmp_path / "audit", 1)
    assert (event["kind"], event["query"]) == ("queried", "/dicom-web/studies?PatientID=P1")


def test_a_deletion_tells_what_is_gone(server: LiveServer, tmp_path: Path) -> None:
    assert server.client.delete(INSTANCE, headers=TOKEN).status_code == 204
    kinds = [event["kind"] for event in events(tmp_path / "audit", 1)]
    assert "instances-deleted" in kinds


def test_what_fails_is_recorded_as_failed(server: LiveServer, tmp_path: Path) -> None:
    stored = server.services.db.stored("tenant-a", [instance_uid()])[instance_uid()]
    server.services.storage.delete(stored.key)
    assert server.client.get(INSTANCE, headers=TOKEN).status_code == 500
    (event,) = events(tmp_path / "audit", 1)
    assert (event["kind"], event["outcome"]) == ("instances-sent", 4)
