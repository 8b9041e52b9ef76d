"""The index, as `dicom_common.core.Database` asks for it: transactions around the statements of the other modules."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import column, select, table

from dicom_common.core import (
    BackendError,
    Backlog,
    Entry,
    Event,
    EventsOf,
    Found,
    Health,
    LogRecord,
    Outcome,
    Query,
    Stored,
)
from dicom_common.db.sql import _migrate
from dicom_common.db.sql._add import Addition
from dicom_common.db.sql._derive import Derivation
from dicom_common.db.sql._discarded import Discarded
from dicom_common.db.sql._find import Search
from dicom_common.db.sql._flavour import Flavour
from dicom_common.db.sql._listing import Listing
from dicom_common.db.sql._logs import LogStatements, LogTransactions
from dicom_common.db.sql._outbox import Outbox
from dicom_common.db.sql._removal import Removal
from dicom_common.db.sql._rows import prepare
from dicom_common.db.sql._schema import tenant as tenant_table
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Statement, chunks, insert_rows

__all__ = ["SqlDatabase"]

T = TypeVar("T")
_PAGE = 500
"""Instances that a listing reads at a time; no session is held between two pages."""
_JSON_PAGE = 64
"""The same for metadata, which is larger."""


class SqlDatabase(LogTransactions):
    """An index on an SQL database.

    Args:
        flavour: the database product and the connections to it.
        where: what the database is called in messages: a file, or a host and a name.
    """

    def __init__(self, flavour: Flavour, where: str) -> None:
        self._flavour, self._where = flavour, where
        dialect = flavour.dialect
        self._discarded, self._outbox, self._logs = Discarded(dialect), Outbox(dialect), LogStatements(dialect)
        self._listing, self._search = Listing(dialect), Search(flavour)
        derivation = Derivation(dialect)
        self._addition = Addition(dialect, self._discarded, derivation, flavour.allocate)
        self._removal = Removal(dialect, self._listing, self._discarded, derivation)
        self._tenants: dict[str, int] = {}
        self._version = Statement(select(column("version_num")).select_from(table(_migrate.VERSION_TABLE)), dialect)
        self._all_tenants = Statement(select(tenant_table.c.name, tenant_table.c.pk), dialect)
        self._insert_tenant = insert_rows(dialect, tenant_table)

    # The schema

    def schema_version(self) -> tuple[str | None, str]:
        """See `Migrations.schema_version`."""
        with self._flavour.reading() as session:
            if not self._flavour.has_table(session, _migrate.VERSION_TABLE):
                return None, _migrate.HEAD
            found = self._version.rows(session, {})
        return (str(found[0][0]) if found else None), _migrate.HEAD

    def migrate(self) -> None:
        """See `Migrations.migrate`."""
        with self._flavour.migrating() as connection:
            _migrate.migrate(connection, self._where)

    def require_schema(self) -> None:
        """Refuse a database whose schema is not the one that this code needs.

        Raises:
            BackendError: it is older or newer, or there is none.
        """
        found, _ = self.schema_version()
        if not _migrate.require(found, self._where):
            has = f"the schema version {found}, and {_migrate.HEAD} is needed" if found else "no schema yet"
            raise BackendError(f"{self._where} has {has}: run `dicom-common migrate`.")

    # Rows

    def add(self, entries: Sequence[Entry], *, events: EventsOf | None = None) -> list[Outcome]:
        """See `Database.add`."""
        if not entries and events is None:
            return []
        prepared = prepare(entries)
        names = list(dict.fromkeys(entry.tenant for entry in entries))

        def work(session: Session) -> tuple[list[Outcome], dict[str, int]]:
            tenants = self._tenants_for(session, names)
            outcomes = self._addition.add(session, prepared, [tenants[entry.tenant] for entry in entries])
            if events is not None:
                self._emit(session, events(outcomes))
            return outcomes, tenants

        outcomes, tenants = self._write(work)
        self._tenants |= tenants  # only now: before the commit they might not have come to be
        return outcomes

    def find(self, query: Query) -> list[Found]:
        """See `Database.find`."""
        with self._flavour.reading() as session:
            tenant = self._tenant(session, query.tenant)
            return [] if tenant is None else self._search.find(session, tenant, query)

    def count(self, query: Query) -> int:
        """See `Database.count`."""
        with self._flavour.reading() as session:
            tenant = self._tenant(session, query.tenant)
            return 0 if tenant is None else self._search.count(session, tenant, query)

    def stored(self, tenant: str, sop_uids: Iterable[str]) -> dict[str, Stored]:
        """See `Database.stored`."""
        with self._flavour.reading() as session:
            pk = self._tenant(session, tenant)
            return {} if pk is None else self._listing.stored(session, pk, sop_uids)

    def instances(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[Stored]:
        """See `Database.instances`."""
        return self._pages(self._listing.some, _PAGE, tenant, (study_uid, series_uid, sop_uid))

    def metadata(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[bytes]:
        """See `Database.metadata`."""
        return self._pages(self._listing.metadata, _JSON_PAGE, tenant, (study_uid, series_uid, sop_uid))

    def owners(self, keys: Iterable[str]) -> dict[str, Stored]:
        """See `Database.owners`."""
        with self._flavour.reading() as session:
            return self._listing.owners(session, keys)

    def walk(self, *, after: str = "") -> Iterator[Stored]:
        """See `Database.walk`."""
        key, pk = after, 2**63 - 1
        while True:
            with self._flavour.reading() as session:
                page = self._listing.page(session, key, pk, _PAGE)
            yield from (stored for _, stored in page)
            if len(page) < _PAGE:
                return
            pk, last = page[-1]
            key = last.key

    def remove(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> list[Stored]:
        """See `Database.remove`."""

        def work(session: Session) -> list[Stored]:
            pk = self._tenant(session, tenant)
            if pk is None:
                return []
            pks = self._listing.at(session, (pk, study_uid, series_uid, sop_uid))
            return self._removal.remove(session, pks) if pks else []

        return self._write(work)

    # Discarded keys

    def discard(self, keys: Iterable[str]) -> list[str]:
        """See `Database.discard`."""
        wanted = list(dict.fromkeys(keys))

        def work(session: Session) -> list[str]:
            referred = set(self._discarded.referred(session, wanted))
            free = [key for key in wanted if key not in referred]
            self._discarded.enter(session, free)
            return free

        return self._write(work) if wanted else []

    def discarded(self, limit: int) -> list[str]:
        """See `Database.discarded`."""
        with self._flavour.reading() as session:
            return self._discarded.open(session, max(limit, 0))

    def deleted(self, keys: Iterable[str]) -> None:
        """See `Database.deleted`."""
        wanted = list(dict.fromkeys(keys))
        self._write(lambda session: self._discarded.deleted(session, wanted))

    # The outbox

    def pending(self, limit: int, *, relay: str, lease: float) -> list[Event]:
        """See `Database.pending`."""
        return self._write(lambda session: self._outbox.pending(session, limit, relay, lease))

    def published(self, events: Iterable[Event]) -> None:
        """See `Database.published`."""
        done = list(events)
        if done:
            self._write(lambda session: self._outbox.published(session, done))

    def backlog(self) -> Backlog:
        """See `Database.backlog`."""
        with self._flavour.reading() as session:
            return self._outbox.backlog(session)

    # The rest

    def check(self) -> Health:
        """See `Database.check`."""
        return self._flavour.health()

    def close(self) -> None:
        """See `Database.close`."""
        self._flavour.close()

    def _emit(self, session: Session, events: Iterable[Event | LogRecord]) -> None:
        """Write what a transaction has to say: events for the broker, and records of the logs."""
        both = list(events)
        self._outbox.put(session, [one for one in both if isinstance(one, Event)])
        self._logs.put(session, [one for one in both if not isinstance(one, Event)])

    def _write(self, work: Callable[[Session], T]) -> T:
        """Run a transaction, again where it failed for a reason that passes."""
        for attempt in range(1, self._flavour.attempts + 1):
            try:
                with self._flavour.writing() as session:
                    return work(session)
            except BackendError as error:
                if attempt == self._flavour.attempts or not self._flavour.passes(error):
                    raise
                time.sleep(random.uniform(0.5, 1.5) * 0.01 * 2**attempt)  # noqa: S311 - spreads retries, no secret
        raise AssertionError

    def _pages(
        self,
        read: Callable[[Session, Sequence[int]], list[T]],
        size: int,
        tenant: str,
        place: tuple[str, str | None, str | None],
    ) -> Iterator[T]:
        with self._flavour.reading() as session:
            pk = self._tenant(session, tenant)
            pks = [] if pk is None else self._listing.at(session, (pk, *place))
        for chunk in chunks(pks, size):
            with self._flavour.reading() as session:
                page = read(session, chunk)
            yield from page

    def _tenant(self, session: Session, name: str) -> int | None:
        """Return the surrogate key of a tenant; None where nothing was ever added for it."""
        if name not in self._tenants:
            self._tenants |= self._known_tenants(session)
        return self._tenants.get(name)

    def _known_tenants(self, session: Session) -> dict[str, int]:
        return {str(name): int(pk) for name, pk in self._all_tenants.rows(session, {})}

    def _tenants_for(self, session: Session, names: Sequence[str]) -> dict[str, int]:
        """Return the surrogate keys of tenants, made where they are not there."""
        if all(name in self._tenants for name in names):
            return {name: self._tenants[name] for name in names}
        known = self._known_tenants(session)
        missing = sorted(set(names) - set(known))
        if missing:
            made = dict(zip(missing, self._flavour.allocate(session, tenant_table, len(missing)), strict=True))
            self._insert_tenant(session, [(pk, name) for name, pk in made.items()])
            known |= made
        return {name: known[name] for name in names}
