"""Adding a batch: a fixed number of statements, however many instances there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from dicom_common.core import Level, Outcome
from dicom_common.db.sql._batch import Batch, Decision, Held, PatientRow, SeriesRow, StudyRow
from dicom_common.db.sql._columns import PARENTS, TABLES, row_columns
from dicom_common.db.sql._counts import COUNTED, Counts
from dicom_common.db.sql._derive import Derivation
from dicom_common.db.sql._dialect import PassingError, SqlDialect
from dicom_common.db.sql._discarded import Discarded
from dicom_common.db.sql._known import KnownSeries
from dicom_common.db.sql._ranks import merge, ranks_from_text, ranks_text
from dicom_common.db.sql._rows import (
    Prepared,
    attribute_names,
    changing_columns,
    instance_row,
    parent_values,
    patient_columns,
)
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup

__all__ = ["Addition", "NotAloneError"]


class NotAloneError(Exception):
    """Only a transaction with the exclusive guard may discard a key or derive rows again: begin again with it."""


class Addition:
    """The statements of `add`, for one database product."""

    def __init__(self, dialect: SqlDialect, discarded: Discarded, derivation: Derivation) -> None:
        self._discarded, self._derivation, self._allocate = discarded, derivation, dialect.allocate
        self._counts, self._modalities, self._revisions = Counts(dialect), derivation.modalities, derivation.revisions
        self._held, self._named = Lookup(dialect, "add.held"), Lookup(dialect, "add.named")
        self._studies, self._patients = Lookup(dialect, "add.studies"), Lookup(dialect, "add.patients")
        self._series = Lookup(dialect, "add.series")
        self._update = {
            level: dialect.updater(TABLES[level], ("sources", *changing_columns(level)), plus=COUNTED[level])
            for level in PARENTS
        }
        self._update_sources = {
            level: dialect.updater(TABLES[level], ("sources",), plus=COUNTED[level]) for level in PARENTS
        }
        self._insert = {table: dialect.inserter(table) for table in (*TABLES.values(), "instance_json")}
        self._known = (
            None if dialect.many_writers else KnownSeries(dialect, self._counts, self._revisions, self._insert)
        )
        self._forget_json, self._forget = Lookup(dialect, "add.forget_json"), Lookup(dialect, "add.forget")

    def add(
        self, session: Session, prepared: Sequence[Prepared], tenants: Sequence[int], *, alone: bool
    ) -> list[Outcome]:
        """Index a batch; `tenants` has the surrogate key of the tenant of each entry.

        Raises:
            NotAloneError: a key is to be discarded or a row to be derived again, and others may write (not `alone`).
                Give the transaction up: a part of the batch may be written.
        """
        found = None
        if self._known is not None and len(prepared) == 1:
            found = self._known.ask(session, prepared[0], tenants[0])
            if found is not None and (outcome := self._known.write(session, found)) is not None:
                return [outcome]
        decisions: list[Decision] = []
        counts: dict[tuple[int, str, str], int] = {}
        while len(decisions) < len(prepared):
            done = len(decisions)
            if found is None:
                batch = self._load(session, prepared[done:], tenants[done:])
            else:
                batch = found.batch(partial(self._discarded.referred, session, [found.made.entry.key]))
                found = None
            for tenant, made in zip(tenants[done:], prepared[done:], strict=True):
                if not batch.can_decide(tenant, made):
                    break  # the rows are asked anew, once they have been derived from what is written
                decisions.append(batch.decide(tenant, made))
            if not alone and (batch.to_discard or any(batch.again())):
                raise NotAloneError
            batch.settle()
            self._write(session, batch)
            counts |= batch.counts()
        return [
            _outcome(decision, counts.get((tenant, made.entry.instance.study_uid, made.entry.instance.series_uid), 0))
            for tenant, made, decision in zip(tenants, prepared, decisions, strict=True)
        ]

    def _load(self, session: Session, prepared: Sequence[Prepared], tenants: Sequence[int]) -> Batch:
        keys = {made.entry.key for made in prepared}
        batch = Batch(referring=lambda: self._discarded.referred(session, sorted(keys)))
        of_each: dict[int, list[Prepared]] = defaultdict(list)
        for tenant, made in zip(tenants, prepared, strict=True):
            of_each[tenant].append(made)
        for tenant, some in sorted(of_each.items()):  # each in the same order: no two wait for each other crosswise
            self._load_parents(session, batch, tenant, some)
            uids = sorted({made.entry.instance.sop_uid for made in some})
            for uid, pk, study_uid, series_uid, sop_class, key, sha256 in self._held.rows(session, uids, tenant=tenant):
                batch.held[tenant, uid] = Held(
                    pk=pk, study_uid=study_uid, series_uid=series_uid, sop_class_uid=sop_class, key=key, sha256=sha256
                )
        batch.retired = self._discarded.retired(session, sorted(keys))
        keys.update(held.key for held in batch.held.values())
        return batch

    def _load_parents(self, session: Session, batch: Batch, tenant: int, some: Iterable[Prepared]) -> None:
        uids = {made.entry.instance.study_uid for made in some}
        studies = list(self._studies.rows(session, sorted(uids), tenant=tenant))
        owners = {row[3] for row in studies}
        known = {row[0] for row in studies}
        identities = {made.upper.patient for made in some if made.entry.instance.study_uid not in known}
        if identities:
            # Who has no Patient ID has this study only, which is new.
            ids = sorted({patient_id for patient_id, *_ in identities if patient_id})
            named = self._named.rows(session, ids, tenant=tenant)
            owners |= {pk for patient_id, issuer, pk in named if (patient_id, issuer, "") in identities}
        patients = {}
        for pk, patient_id, issuer, of_study, sources, *kept in self._patients.rows(session, sorted(owners)):
            who = (patient_id, issuer, of_study)
            row = PatientRow(tenant=tenant, pk=pk, ranks=ranks_from_text(sources), kept=kept, identity=who)
            patients[pk] = batch.patients[tenant, who] = row
        for uid, pk, sources, patient_pk, *kept in studies:
            ranks = ranks_from_text(sources)
            owner = patients[patient_pk]
            batch.studies[tenant, uid] = StudyRow(
                tenant=tenant, pk=pk, ranks=ranks, kept=kept, uid=uid, patient=owner, owner=owner.identity
            )
        for uid, study_uid, pk, sources, count, study_pk, *kept in self._series.rows(
            session, sorted({made.entry.instance.series_uid for made in some}), tenant=tenant
        ):
            if study_uid in uids and study_uid not in known:
                raise PassingError("Another writer added a study of the same batch at the same moment.")
            # The study is a stranger where the series also occurs elsewhere: nothing is written to it.
            of_series = batch.studies.get((tenant, study_uid)) or _stranger(tenant, study_uid, study_pk)
            batch.series.setdefault((tenant, uid), {})[study_uid] = SeriesRow(
                tenant=tenant,
                pk=pk,
                ranks=ranks_from_text(sources),
                kept=kept,
                uid=uid,
                study=of_series,
                instances=count,
            )

    def _write(self, session: Session, batch: Batch) -> None:
        patients, studies, all_series = [*batch.patients.values()], [*batch.studies.values()], [*batch.all_series()]
        new_studies = [row for row in studies if not row.pk]
        old_series = [row for row in all_series if row.pk]
        self._parents(session, Level.PATIENT, [row for row in patients if row.pk or row.new_studies])
        self._parents(session, Level.STUDY, studies)
        self._parents(session, Level.SERIES, all_series)
        written = [held for held in batch.held.values() if held.written is not None]
        self._instances(session, written)
        self._counts.classes(
            session, {(row.pk, uid): change for row in all_series for uid, change in row.classes.items()}
        )
        self._revisions.written(
            session,
            new={row.pk for row in all_series} - {row.pk for row in old_series},
            old=[row.pk for row in old_series if row.new_instances or row.replaced],
        )
        self._modalities.written(session, [row.pk for row in new_studies], all_series)
        self._derivation.both(session, *batch.again())
        self._discarded.enter(session, batch.to_discard)

    def _parents(self, session: Session, level: Level, rows: Sequence[Any]) -> None:
        new, old = [row for row in rows if not row.pk], [row for row in rows if row.pk]
        if new:
            # In the order of the natural keys: two writers then never wait for each other crosswise.
            new.sort(key=lambda row: (row.tenant, row.identity if level is Level.PATIENT else row.uid))
            for row, pk in zip(new, self._allocate(session, TABLES[level], len(new)), strict=True):
                row.pk = pk
            names = row_columns(level)
            made = [_new_row(level, row) for row in new]
            self._insert[TABLES[level]](session, [tuple([one[name] for name in names]) for one in made])
        won = self._contend(session, level, [row for row in old if row.tops and not row.again])
        changed = [(row.pk, *_changes(row).values()) for row in old if row.new_instances and row.pk not in won]
        if changed:
            getattr(self._counts, TABLES[level])(session, changed)
        if level is Level.SERIES:
            for some, is_new in ((new, True), (old, False)):
                by_tenant: dict[int, dict[int, str | None]] = defaultdict(dict)
                for row in some:
                    if row.made:
                        by_tenant[row.tenant][row.pk] = row.made["request_attributes"]
                for tenant, texts in by_tenant.items():
                    self._derivation.request_items(session, tenant, texts, new=is_new)

    def _contend(self, session: Session, level: Level, rows: Sequence[Any]) -> Collection[int]:
        """Give rows the attributes that the instances of this batch win, and count; return their surrogate keys."""
        won = {}
        for row in rows:
            values = merge(level, row.ranks, row.tops)
            if values or (level is Level.STUDY and row.owner_changes):
                won[row.pk] = row, values
        if not won:
            return ()
        names, changed, same = attribute_names(level), [], []
        for pk, (row, values) in won.items():
            kept = dict(zip(names, row.kept, strict=True))
            sources, counts = ranks_text(row.ranks), _changes(row).values()
            if all(kept[name] == value for name, value in values.items()):
                same.append((pk, sources, *counts))  # mostly: no index of an attribute is written
                continue
            row.made = parent_values(level, {name: kept[name] for name in names if name in row.ranks} | values)
            changed.append((pk, sources, *row.made.values(), *counts))
        self._update[level](session, changed)
        self._update_sources[level](session, same)
        return won.keys()

    def _instances(self, session: Session, written: Sequence[Held]) -> None:
        replaced = [held.pk for held in written if held.pk]
        new = [held for held in written if not held.pk]
        if new:  # before rows are deleted that are written again: SQLite would give their keys to others
            for held, pk in zip(new, self._allocate(session, "instance", len(new)), strict=True):
                held.pk = pk
        self._forget_json.run(session, replaced)
        self._forget.run(session, replaced)
        rows, documents = [], []
        for held in written:
            assert held.written is not None
            assert held.series is not None
            made, row = held.written, held.series
            rows.append(instance_row(held.pk, row.tenant, row.pk, made, other_patient=held.other_patient))
            documents.append((held.pk, made.entry.metadata, made.upper.blob, made.entry.frames or None))
        self._insert["instance"](session, rows)
        self._insert["instance_json"](session, documents)


def _outcome(decision: Decision, series_instances: int) -> Outcome:
    return Outcome(
        status=decision.status,
        key=decision.key,
        sha256=decision.sha256,
        series_instances=series_instances,
        patient_differs=decision.patient_differs,
        series_in_other_study=decision.series_in_other_study,
    )


def _stranger(tenant: int, uid: str, pk: int) -> StudyRow:
    unknown = PatientRow(tenant=tenant, identity=("", "", ""))
    return StudyRow(tenant=tenant, pk=pk, uid=uid, patient=unknown, owner=unknown.identity)


def _changes(row: Any) -> dict[str, int]:
    changes = {"instances": row.new_instances}
    if not isinstance(row, SeriesRow):
        changes["series"] = row.new_series
    if isinstance(row, PatientRow):
        changes["studies"] = row.new_studies
    return changes


def _new_row(level: Level, row: Any) -> dict[str, Any]:
    row.made = parent_values(level, merge(level, row.ranks, row.tops))
    made = {"pk": row.pk, "tenant_fk": row.tenant, "sources": ranks_text(row.ranks), **_changes(row), **row.made}
    if level is Level.PATIENT:
        return made | patient_columns(row.identity)
    if level is Level.STUDY:
        return made | {"patient_fk": row.patient.pk, "study_uid": row.uid}
    return made | {"study_fk": row.study.pk, "series_uid": row.uid}
