"""The index, as `dicom_common.core.Database` asks for it: transactions around the statements of the other modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar

from dicom_common.core import (
    Backlog,
    ComparedRows,
    Entry,
    Event,
    EventsOf,
    Health,
    LogRecord,
    Match,
    Outcome,
    Query,
    RemovalEventsOf,
    SchemaVersionError,
    SeriesRevision,
    Stored,
    UnavailableError,
)
from dicom_common.db.sql import _create
from dicom_common.db.sql._add import Addition, NotAloneError
from dicom_common.db.sql._compare import Comparison
from dicom_common.db.sql._derive import Derivation
from dicom_common.db.sql._dialect import PassingError, SqlDialect
from dicom_common.db.sql._discarded import Discarded
from dicom_common.db.sql._find import Search
from dicom_common.db.sql._listed import ListingTransactions
from dicom_common.db.sql._listing import Listing
from dicom_common.db.sql._logs import LogStatements, LogTransactions
from dicom_common.db.sql._outbox import Outbox
from dicom_common.db.sql._removal import Removal
from dicom_common.db.sql._removed import RemovedInstances
from dicom_common.db.sql._revisions import BEGINNING, SeriesRevisions, position
from dicom_common.db.sql._rows import prepare
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Statement, chunks
from dicom_common.db.sql._versions import HEAD, VERSION_TABLE, require
from dicom_common.toolkit.query_rules import validate_query

__all__ = ["SqlDatabase"]

T = TypeVar("T")
_PAGE = 500
"""Series that a listing reads at a time; no session is held between two pages."""
_EMITTED = 5000
"""Events that are in memory at once."""


class SqlDatabase(LogTransactions, ListingTransactions):
    """An index on an SQL database.

    Args:
        dialect: the database product and the connections to it.
        where: what the database is called in messages: a file, or a host and a name.
    """

    def __init__(self, dialect: SqlDialect, where: str) -> None:
        self._dialect, self._where = dialect, where
        self._discarded, self._outbox, self._logs = Discarded(dialect), Outbox(dialect), LogStatements(dialect)
        self._listing, self._search, self._revisions = Listing(dialect), Search(dialect), SeriesRevisions(dialect)
        derivation = Derivation(dialect)
        self._addition = Addition(dialect, self._discarded, derivation)
        self._removal = Removal(dialect, self._listing, self._discarded, derivation)
        self._comparison = Comparison(dialect, derivation)
        self._removed = RemovedInstances(dialect, self._search)
        self._tenants: dict[str, int] = {}
        self._version, self._all_tenants = (
            Statement(dialect, "database.version"),
            Statement(dialect, "database.tenants"),
        )
        self._insert_tenant = dialect.inserter("tenant")

    # The schema

    def schema_version(self) -> tuple[str | None, str]:
        """See `Migrations.schema_version`."""

        def work(session: Session) -> str | None:
            if not self._dialect.has_table(session, VERSION_TABLE):
                return None
            found = self._version.rows(session, {})
            return str(found[0][0]) if found else None

        return self._read(work), HEAD

    def migrate(self) -> None:
        """See `Migrations.migrate`. Rows for which a migration asks are derived in the same transaction."""
        try:
            if self._dialect.schema.script and self._made_at_once():
                return
            from dicom_common.db.sql import _migrate  # noqa: PLC0415 - SQLAlchemy, which few openings need

            with self._dialect.migrating() as connection:
                _migrate.migrate(connection, self._dialect.schema, self._where)
                self._comparison.derive_stale(self._dialect.session(connection))
        except PassingError as error:
            raise UnavailableError(str(error)) from error

    def _made_at_once(self) -> bool:
        return self._write(lambda session: _create.create(session, self._dialect))

    def prepare_schema(self, migrate: Literal["on-open", "never"]) -> None:
        """Do at opening what a setting `migrate` says; what is held is released where that fails.

        Raises:
            BackendError: the schema is not the one that this code needs, and is not to be or cannot be changed.
        """
        try:
            if migrate == "never":
                self.require_schema()
            else:
                found, needed = self.schema_version()
                if found != needed:
                    self.migrate()
        except BaseException:
            self.close()
            raise

    def schema_differences(self) -> list[str]:
        """Return in what the tables differ from those that this code expects, whatever the version says."""
        from dicom_common.db.sql import _migrate  # noqa: PLC0415 - as in `migrate`
        from dicom_common.db.sql.expressions import metadata  # noqa: PLC0415

        with self._dialect.migrating() as connection:
            return _migrate.differences(connection, metadata)

    def require_schema(self) -> None:
        """Refuse a database whose schema is not the one that this code needs.

        Raises:
            SchemaVersionError: it is older or newer, or absent.
        """
        found, _ = self.schema_version()
        if not require(found, self._where):
            has = f"the schema version {found}, and {HEAD} is needed" if found else "no schema yet"
            raise SchemaVersionError(f"{self._where} has {has}: run `dicom-common migrate`.", found, HEAD)

    # Rows

    def add(self, entries: Sequence[Entry], *, events: EventsOf | None = None) -> list[Outcome]:
        """See `Database.add`."""
        if not entries and events is None:
            return []
        prepared = prepare(entries)
        names = list(dict.fromkeys(entry.tenant for entry in entries))

        def work(session: Session, *, alone: bool) -> tuple[list[Outcome], dict[str, int]]:
            self._dialect.guard(session, exclusive=alone)
            tenants = self._tenants_for(session, names)
            outcomes = self._addition.add(session, prepared, [tenants[entry.tenant] for entry in entries], alone=alone)
            if events is not None:
                self._emit(session, events(outcomes))
            return outcomes, tenants

        try:
            outcomes, tenants = self._write(partial(work, alone=not self._dialect.many_writers))
        except NotAloneError:
            outcomes, tenants = self._write(partial(work, alone=True))
        self._tenants |= tenants  # only now: before the commit they might not have come to be
        return outcomes

    def find(self, query: Query) -> list[Match]:
        """See `Database.find`."""
        validate_query(query)

        def work(session: Session) -> list[Match]:
            tenant = self._tenant(session, query.tenant)
            return [] if tenant is None else self._search.find(session, tenant, query)

        return self._read(work)

    def count(self, query: Query) -> int:
        """See `Database.count`."""
        validate_query(query)

        def work(session: Session) -> int:
            tenant = self._tenant(session, query.tenant)
            return 0 if tenant is None else self._search.count(session, tenant, query)

        return self._read(work)

    def revisions(self, tenant: str, study_uid: str, series_uid: str | None = None) -> list[SeriesRevision]:
        """See `Revisions.revisions`."""

        def work(session: Session) -> list[SeriesRevision]:
            pk = self._tenant(session, tenant)
            return [] if pk is None else self._revisions.of(session, pk, study_uid, series_uid)

        return self._read(work)

    def changed_series(self, *, before: datetime, after: str = "") -> Iterator[SeriesRevision]:
        """See `Revisions.changed_series`."""
        last = position(after) if after else BEGINNING
        while True:
            page = self._read(partial(self._revisions.changed, after=last, before=before, limit=_PAGE))
            yield from page
            if len(page) < _PAGE:
                return
            last = position(page[-1].revision)

    def remove(
        self,
        tenant: str,
        study_uid: str,
        series_uid: str | None = None,
        sop_uid: str | None = None,
        *,
        events: RemovalEventsOf | None = None,
    ) -> list[Stored]:
        """See `Database.remove`."""

        def work(session: Session) -> list[Stored]:
            self._dialect.guard(session, exclusive=True)
            pk = self._tenant(session, tenant)
            pks = [] if pk is None else self._listing.at(session, (pk, study_uid, series_uid, sop_uid))
            if pk is None or not pks:
                return []
            if events is None:
                return self._removal.remove(session, pks)
            departing = self._removed.before(session, pks)
            removed = self._removal.remove(session, pks)
            self._emit(session, events(self._removed.after(session, tenant, pk, departing)))
            return removed

        return self._write(work)

    def compare_rows(self, *, repair: bool) -> Iterator[ComparedRows]:
        """See `DerivedRows.compare_rows`."""
        comparison = self._comparison
        for page_of, compare in ((comparison.studies, comparison.study), (comparison.patients, comparison.patient)):
            after = 0
            while page := self._read(partial(page_of, after=after)):
                for pk, tenant, study_uid in page:
                    wrong = self._read(partial(compare, pk=pk, repair=False))
                    if wrong:
                        # What others write meanwhile may look like it: once more, with the exclusive guard.
                        wrong = self._write(partial(self._alone, partial(compare, pk=pk, repair=repair)))
                    yield ComparedRows(tenant=tenant, study_uid=study_uid, wrong=wrong)
                after = page[-1][0]

    # Discarded keys

    def discard(self, keys: Iterable[str]) -> list[str]:
        """See `Database.discard`."""
        wanted = list(dict.fromkeys(keys))

        def work(session: Session) -> list[str]:
            self._dialect.guard(session, exclusive=True)
            referred = set(self._discarded.referred(session, wanted))
            free = [key for key in wanted if key not in referred]
            self._discarded.enter(session, free)
            return free

        return self._write(work) if wanted else []

    def discarded(self, limit: int) -> list[str]:
        """See `Database.discarded`."""
        return self._read(lambda session: self._discarded.open(session, max(limit, 0)))

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
        return self._read(self._outbox.backlog)

    # The rest

    def check(self) -> Health:
        """See `Database.check`."""
        return self._dialect.health()

    def close(self) -> None:
        """See `Database.close`."""
        self._dialect.close()

    def _emit(self, session: Session, events: Iterable[Event | LogRecord]) -> None:
        """Write what a transaction has to say: events for the broker, and records of the logs."""
        for both in chunks(events, _EMITTED):  # a removal may tell of any number of instances
            self._outbox.put(session, [one for one in both if isinstance(one, Event)])
            self._logs.put(session, [one for one in both if not isinstance(one, Event)])

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
            made = dict(zip(missing, self._dialect.allocate(session, "tenant", len(missing)), strict=True))
            self._insert_tenant(session, [(pk, name) for name, pk in made.items()])
            known |= made
        return {name: known[name] for name in names}
