"""Trails and events to test with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dicom_common.audit import AuditSettings, Keys, Trail, TrailFolder, Verification, verify
from dicom_common.core import AuditedStudy, AuditEvent, AuditKind, Secret

KEY = Secret("a key of the tests, and of nothing else")
CANARY = "CANARY^PATIENT"


def event(number: int = 0, kind: AuditKind = AuditKind.INSTANCES_STORED, **more: Any) -> AuditEvent:
    fields: dict[str, Any] = {
        "tenant": "clinic",
        "user": f"user-{number}@host",
        "ae_title": "MODALITY",
        "address": "192.0.2.7",
        "studies": (
            AuditedStudy(
                study_uid=f"1.2.{number + 1}", patient_id=CANARY, sop_classes={"1.2.840.10008.5.1.4.1.1.2": 3}
            ),
        ),
        "details": {"command": "ingest"},
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=number),
    }
    return AuditEvent(kind=kind, **(fields | more))


def trail(folder: Path, **settings: Any) -> Trail:
    chosen: dict[str, Any] = {"key": KEY, "free_bytes": 0} | settings
    return Trail(AuditSettings(folder=folder, **chosen))


def check(folder: Path, key: Secret | None = KEY, **more: Any) -> Verification:
    return verify(TrailFolder(folder), Keys(key), **more)


def lines(folder: Path) -> list[bytes]:
    """All lines of the trail, without their newlines."""
    return [line for name in TrailFolder(folder).files() for line in (folder / name).read_bytes().split(b"\n")[:-1]]


def events_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["event"] for line in lines(folder)]


def write_lines(folder: Path, changed: Sequence[bytes]) -> None:
    """Write the lines of a trail of one file, as somebody does who has the file and no more."""
    [name] = TrailFolder(folder).files()
    (folder / name).write_bytes(b"".join(line + b"\n" for line in changed))
