"""The index itself: what is loaded and written; the rules are the toolkit's."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

from acme_duckdb._file import DuckFile, Settings
from dicom_common.core import (
    Backlog,
    Entry,
    Event,
    EventsOf,
    Health,
    HealthStatus,
    Level,
    LogRecord,
    Match,
    Outcome,
    Query,
    RemovalEventsOf,
    Stored,
)
from dicom_common.toolkit.index_rules import (
    IndexRow,
    add_entries,
    count_rows,
    derive_rows,
    entry_from_text,
    entry_text,
    find_rows,
    in_order,
    may_relay,
    removed_from,
    rows_at,
    stored_of,
)
from dicom_common.toolkit.query_rules import UNIQUE_KEYS

__all__ = ["DuckDatabase"]

_KEPT = 86_400.0
"""Seconds for which a key stays in the list after its object was deleted."""


class DuckDatabase:
    """An index of documents; the methods promise what `dicom_common.core.Database` says."""

    def __init__(self, settings: Settings) -> None:
        self._file = DuckFile(settings)

    def add(self, entries: Sequence[Entry], *, events: EventsOf | None = None) -> list[Outcome]:
        """Index a batch in one transaction."""
        if not entries and events is None:
            return []
        keys = {entry.key for entry in entries}
        with self._file.transaction() as connection:
            since = time.time() - _KEPT
            waiting = "SELECT key FROM discarded WHERE key IN (SELECT unnest(?)) AND (deleted IS NULL OR deleted > ?)"
            retired = {key for (key,) in connection.execute(waiting, [list(keys), since]).fetchall()}
            added = add_entries(
                entries,
                known=_like(connection, entries),
                retired=retired,
                referred=lambda some: _referred(connection, some),
            )
            _write(
                connection,
                "entry",
                [
                    (tenant, one.study_uid, one.series_uid, uid, entry.key, entry_text(entry))
                    for (tenant, uid), entry in added.written.items()
                    for one in (entry.instance,)
                ],
            )
            _discard(connection, added.discarded)
            if events is not None:
                _put(connection, events(added.outcomes))
        return added.outcomes

    def find(self, query: Query) -> list[Match]:
        """Search."""
        return find_rows(self._rows(query.tenant), query)

    def count(self, query: Query) -> int:
        """Count matches."""
        return count_rows(self._rows(query.tenant), query)

    def stored(self, tenant: str, sop_uids: Iterable[str]) -> dict[str, Stored]:
        """Look instances up by SOP Instance UID."""
        found = self._read("tenant = ? AND sop_uid IN (SELECT unnest(?))", tenant, list(sop_uids))
        return {entry.instance.sop_uid: stored_of(entry) for entry in found}

    def instances(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[Stored]:
        """Iterate over instances."""
        return map(stored_of, self._of_study(tenant, study_uid, series_uid, sop_uid))

    def metadata(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[bytes]:
        """Iterate over DICOM JSON objects."""
        return (entry.metadata for entry in self._of_study(tenant, study_uid, series_uid, sop_uid))

    def metadata_of(self, tenant: str, level: Level, matches: Sequence[Match]) -> list[bytes | None]:
        """Return a DICOM JSON object for each match."""
        keys = [key for at, some in UNIQUE_KEYS.items() if at <= level for key in some]
        if level is not Level.PATIENT:
            keys = [key for key in keys if key not in UNIQUE_KEYS[Level.PATIENT]]
        first: dict[tuple[Any, ...], bytes] = {}
        for row in rows_at(self._rows(tenant), Level.INSTANCE):
            first.setdefault(tuple(row.values[key] for key in keys), row.entries[0].metadata)
        return [
            None
            if level is Level.PATIENT and not match.get("PatientID")
            else first.get(tuple(match.get(key) for key in keys))
            for match in matches
        ]

    def owners(self, keys: Iterable[str]) -> dict[str, Stored]:
        """Look instances up by storage key."""
        return {entry.key: stored_of(entry) for entry in self._read("key IN (SELECT unnest(?))", list(keys))}

    def walk(self, *, after: str = "") -> Iterator[Stored]:
        """Iterate over all instances in the order of their keys' bytes."""
        everything = sorted(self._read("true"), key=lambda entry: entry.key.encode())
        return (stored_of(entry) for entry in everything if entry.key.encode() > after.encode("utf-8", "surrogatepass"))

    def remove(
        self,
        tenant: str,
        study_uid: str,
        series_uid: str | None = None,
        sop_uid: str | None = None,
        *,
        events: RemovalEventsOf | None = None,
    ) -> list[Stored]:
        """Take a study, a series or an instance out."""
        with self._file.transaction() as connection:
            everything = _load(connection, "tenant = ?", tenant)
            some = [entry for entry in everything if _is_of(entry, study_uid, series_uid, sop_uid)]
            if not some:
                return []
            gone = {entry.instance.sop_uid for entry in some}
            removed = removed_from(everything, gone)
            connection.execute(
                "DELETE FROM entry WHERE tenant = ? AND sop_uid IN (SELECT unnest(?))", [tenant, list(gone)]
            )
            keys = {entry.key for entry in some}
            _discard(connection, keys - set(_referred(connection, keys)))
            if events is not None:
                _put(connection, events(removed))
        by_uid = {entry.instance.sop_uid: stored_of(entry) for entry in some}
        return [by_uid[one.instance.sop_uid] for one in removed]

    def discard(self, keys: Iterable[str]) -> list[str]:
        """Enter keys that no row refers to in the list of discarded keys."""
        wanted = list(dict.fromkeys(keys))
        with self._file.transaction() as connection:
            referred = set(_referred(connection, wanted))
            free = [key for key in wanted if key not in referred]
            _discard(connection, free)
        return free

    def discarded(self, limit: int) -> list[str]:
        """Return keys whose objects are still to be deleted."""
        with self._file.transaction() as connection:
            query = "SELECT key FROM discarded WHERE deleted IS NULL ORDER BY entered, key LIMIT ?"
            return [key for (key,) in connection.execute(query, [max(limit, 0)]).fetchall()]

    def deleted(self, keys: Iterable[str]) -> None:
        """Say that objects are gone."""
        with self._file.transaction() as connection:
            now = time.time()
            connection.execute("UPDATE discarded SET deleted = ? WHERE key IN (SELECT unnest(?))", [now, list(keys)])
            connection.execute("DELETE FROM discarded WHERE deleted <= ?", [now - _KEPT])

    def pending(self, limit: int, *, relay: str, lease: float) -> list[Event]:
        """Return the oldest events to the one relay that has the outbox."""
        with self._file.transaction() as connection:
            now = time.time()
            holder, until = connection.execute("SELECT name, until FROM relay").fetchone() or (None, 0.0)
            if not may_relay(holder, until, relay, now):
                return []
            connection.execute("DELETE FROM relay")
            connection.execute("INSERT INTO relay VALUES (?, ?)", [relay, now + lease])
            query = "SELECT id, tenant, topic, key, headers, body FROM event ORDER BY number LIMIT ?"
            rows = connection.execute(query, [max(limit, 0)]).fetchall()
        return [
            Event(id=name, tenant=tenant, topic=topic, key=key, headers=json.loads(headers), body=body)
            for name, tenant, topic, key, headers, body in rows
        ]

    def published(self, events: Iterable[Event]) -> None:
        """Say that events have reached the broker."""
        with self._file.transaction() as connection:
            done = [event.id for event in events]
            connection.execute("DELETE FROM event WHERE id IN (SELECT unnest(?))", [done])

    def backlog(self) -> Backlog:
        """Tell how many events wait."""
        with self._file.transaction() as connection:
            count, oldest = connection.execute("SELECT count(*), min(created) FROM event").fetchone() or (0, None)
        return Backlog(events=count, oldest=None if oldest is None else datetime.fromtimestamp(oldest, UTC))

    def check(self) -> Health:
        """Write something."""
        with self._file.transaction() as connection:
            connection.execute("SELECT nextval('numbers')")
            ((count,),) = connection.execute("SELECT count(*) FROM entry").fetchall()
        return Health(status=HealthStatus.OK, detail=f"{self._file.where} can be written; it has {count} instances.")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, condition: str, *values: Any) -> list[Entry]:
        with self._file.transaction() as connection:
            return _load(connection, condition, *values)

    def _rows(self, tenant: str) -> list[IndexRow]:
        return derive_rows(self._read("tenant = ?", tenant))

    def _of_study(self, tenant: str, study: str, series: str | None, sop: str | None) -> list[Entry]:
        found = self._read("tenant = ? AND study_uid = ?", tenant, study)
        return [entry for entry in in_order(found) if _is_of(entry, study, series, sop)]


def _load(connection: DuckDBPyConnection, condition: str, *values: Any) -> list[Entry]:
    rows = connection.execute(f"SELECT document FROM entry WHERE {condition}", list(values)).fetchall()
    return [entry_from_text(document) for (document,) in rows]


def _like(connection: DuckDBPyConnection, entries: Sequence[Entry]) -> list[Entry]:
    """Load what the index has of the studies, the series and the instances of a batch."""
    known: list[Entry] = []
    for tenant in sorted({entry.tenant for entry in entries}):
        some = [entry.instance for entry in entries if entry.tenant == tenant]
        lists = [list({getattr(one, name) for one in some}) for name in ("study_uid", "series_uid", "sop_uid")]
        parts = [f"{name} IN (SELECT unnest(?))" for name in ("study_uid", "series_uid", "sop_uid")]
        known += _load(connection, f"tenant = ? AND ({' OR '.join(parts)})", tenant, *lists)
    return known


def _is_of(entry: Entry, study: str, series: str | None, sop: str | None) -> bool:
    one = entry.instance
    return one.study_uid == study and series in (None, one.series_uid) and sop in (None, one.sop_uid)


def _referred(connection: DuckDBPyConnection, keys: Collection[str]) -> list[str]:
    query = "SELECT key FROM entry WHERE key IN (SELECT unnest(?))"
    return [key for (key,) in connection.execute(query, [list(keys)]).fetchall()]


def _write(connection: DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows as columns: one statement for all."""
    if rows:
        marks = ", ".join(["unnest(?)"] * len(rows[0]))
        connection.execute(
            f"INSERT OR REPLACE INTO {table} SELECT {marks}", [list(column) for column in zip(*rows, strict=True)]
        )


def _discard(connection: DuckDBPyConnection, keys: Collection[str]) -> None:
    _write(connection, "discarded", [(key, time.time(), None) for key in sorted(keys)])


def _put(connection: DuckDBPyConnection, events: Iterable[Event | LogRecord]) -> None:
    ((last,),) = connection.execute("SELECT coalesce(max(number), 0) FROM event").fetchall()
    made = [event for event in events if isinstance(event, Event)]  # only a database that keeps logs is given records
    _write(
        connection,
        "event",
        [
            (last + at, one.id, one.tenant, one.topic, one.key, json.dumps(dict(one.headers)), one.body, time.time())
            for at, one in enumerate(made, 1)
        ],
    )
