"""Publishing the trail: each record becomes an event in the outbox of the index, from where the relay takes it.

The files are the truth. A cursor beside them says how far they were published, so an index that is away delays events
and loses none. A process that dies between the index and the cursor publishes some again, under the same event ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from dicom_common.audit._chain import Record, parse
from dicom_common.audit._folder import TrailFolder
from dicom_common.core import DEFAULT_TENANT, Database, Event

__all__ = ["publish", "published_up_to"]

_CURSOR_FILE, _LOCK_FILE = "published.json", ".publish-lock"
_BATCH = 500
_SCHEMA_VERSION = "1"
_STATUS = {0: 200, 4: 400, 8: 500, 12: 503}
"""The outcome as the status of a web request, which the topic's readers understand."""


def publish(folder: TrailFolder, database: Database, topic: str) -> int:
    """Put what was not published yet into the outbox, and return how many records that was.

    Raises:
        BackendError: the index cannot be written; the next call goes on there.
        OSError: the folder cannot be read or written.
    """
    number = 0
    with folder.locked(_LOCK_FILE):
        while True:
            file, offset = _cursor(folder)
            with folder.locked():  # what is being written may be taken back, where the disk is full
                found = list(islice(_records(folder, file, offset), _BATCH))
            if not found:
                return number
            events = [_event(record, topic) for record, _, _ in found]
            database.add([], events=lambda _, made=events: made)  # type: ignore[misc]  # a default that callers leave
            _, file, offset = found[-1]
            folder.write_note(_CURSOR_FILE, {"file": file, "offset": offset})
            number += len(events)


def published_up_to(folder: TrailFolder) -> str:
    """Return the name of the file up to which the trail was published; empty: nothing was."""
    return _cursor(folder)[0]


def _cursor(folder: TrailFolder) -> tuple[str, int]:
    note = folder.read_note(_CURSOR_FILE) or {}
    file, offset = note.get("file"), note.get("offset")
    return (file, offset) if isinstance(file, str) and isinstance(offset, int) and offset >= 0 else ("", 0)


def _records(folder: TrailFolder, file: str, offset: int) -> Iterator[tuple[Record, str, int]]:
    """Iterate over the whole records behind a place, each with the place behind it. Damaged lines are passed over."""
    for name in folder.files():
        if name < file:
            continue
        with (folder.path / name).open("rb") as stream:
            at = stream.seek(offset if name == file else 0)
            for line in stream:
                at += len(line)
                if line.endswith(b"\n") and (record := parse(line[:-1])) is not None:
                    yield record, name, at


def _event(record: Record, topic: str) -> Event:
    try:
        fields: dict[str, Any] = record.content["event"]
    except ValueError:
        fields = {}
    tenant = str(fields.get("tenant") or DEFAULT_TENANT)
    event_id = str(fields.get("id") or f"audit-{record.seq}")
    headers = {
        "schema-version": _SCHEMA_VERSION,
        "event-id": event_id,
        "tenant": tenant,
        "audit-sequence": str(record.seq),
        "audit-hash": record.hash,
    }
    body = json.dumps(_access(fields, tenant), separators=(",", ":")).encode()
    return Event(tenant=tenant, topic=topic, key=f"{tenant}|audit|", body=body, headers=headers, id=event_id)


def _access(fields: dict[str, Any], tenant: str) -> dict[str, Any]:
    """Return the fields of the topic: the event as if it had been a request. What was searched for is not in it."""
    studies = [study["study_uid"] for study in fields.get("studies", ())]
    return {
        "timestamp": fields.get("time"),
        "tenant_id": tenant,
        "request_id": fields.get("request_id") or fields.get("id"),
        "method": "AUDIT",
        "path": f"/audit/{fields.get('kind')}",
        "query_params": urlencode([("study", uid) for uid in studies]),
        "peer_addr": fields.get("address"),
        "headers": {},
        "user": fields.get("user"),
        "user_id": fields.get("user"),
        "status": _STATUS.get(fields.get("outcome", 0), 500),
        "content_length": None,
        "duration_ms": None,
    }
