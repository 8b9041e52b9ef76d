"""One new instance of a series that is known: one question in place of five, and nearly always a fixed plan.

Instances of a modality come one by one, and nearly all of them are the next of their series. Where no other transaction
writes meanwhile, no row has to be locked, and one statement can join what is known of the parents and look whether
the instance or its storage key is known. If the instance says of its series, study and patient what the index has, it
is written at once. All else is decided and written as any batch is, by what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from dicom_common.core import AddStatus, Level, Outcome
from dicom_common.db.sql._batch import Batch, PatientRow, SeriesRow, StudyRow
from dicom_common.db.sql._columns import PARENTS, TABLES
from dicom_common.db.sql._counts import Counts
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._discarded import KEPT, now
from dicom_common.db.sql._ranks import OWNER, Kept, Rank, kept_ranks, ranks_from_text, succeed
from dicom_common.db.sql._revisions import RevisionWrites
from dicom_common.db.sql._rows import Prepared, attribute_names, instance_row
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import InsertRows, Statement
from dicom_common.db.sql._upper import Identity

__all__ = ["Found", "KnownSeries"]

_NAMES = {level: attribute_names(level) for level in PARENTS}
_ENDS = accumulate((len(_NAMES[level]) for level in PARENTS), initial=0)
_PLACES = {level: slice(*ends) for level, ends in zip(PARENTS, pairwise(_ENDS), strict=True)}
"""Where the attributes of each level are in what was found."""
_STUDY_UID, _FIRST = 6, 10
"""Where the study's UID is in the row, and where the patient's identity begins, with the attributes behind it."""


class Found:
    """What matters for one instance of a series that is known."""

    def __init__(self, tenant: int, made: Prepared, row: Row) -> None:
        self.tenant, self.made = tenant, made
        _, _, series, of_series, self.instances, study, _, of_study, patient, of_patient = row[:_FIRST]
        self.keys = {Level.PATIENT: patient, Level.STUDY: study, Level.SERIES: series}
        self.sources = {Level.PATIENT: of_patient, Level.STUDY: of_study, Level.SERIES: of_series}
        self.identity: Identity = (row[_FIRST], row[_FIRST + 1], row[_FIRST + 2])
        self._kept = row[_FIRST + 3 :]

    def kept(self, level: Level) -> Sequence[Any]:
        """Return the attributes of the row of a level, in the order of `attribute_names`."""
        return self._kept[_PLACES[level]]

    def batch(self, referring: Callable[[], Iterable[str]]) -> Batch:
        """Return it as a batch has it."""
        ranks = {level: ranks_from_text(text) for level, text in self.sources.items()}
        kept = {level: self.kept(level) for level in PARENTS}
        instance, tenant = self.made.entry.instance, self.tenant
        patient = PatientRow(
            tenant=tenant,
            pk=self.keys[Level.PATIENT],
            ranks=ranks[Level.PATIENT],
            kept=kept[Level.PATIENT],
            identity=self.identity,
        )
        study = StudyRow(
            tenant=tenant,
            pk=self.keys[Level.STUDY],
            ranks=ranks[Level.STUDY],
            kept=kept[Level.STUDY],
            uid=instance.study_uid,
            patient=patient,
            owner=self.identity,
        )
        series = SeriesRow(
            tenant=tenant,
            pk=self.keys[Level.SERIES],
            ranks=ranks[Level.SERIES],
            kept=kept[Level.SERIES],
            uid=instance.series_uid,
            study=study,
            instances=self.instances,
        )
        return Batch(
            patients={(tenant, self.identity): patient},
            studies={(tenant, study.uid): study},
            series={(tenant, series.uid): {study.uid: series}},
            referring=referring,
        )

    def sources_then(self) -> dict[Level, str] | None:
        """Return the sources of the three rows with this instance; None where another column would change, too."""
        made = self.made
        if made.upper.patient != self.identity:
            return None
        then = {}
        for level in PARENTS:
            sources = kept_ranks(self.sources[level])
            if level is Level.STUDY and not _came_before(sources, made.rank):
                return None
            then[level], won = succeed(sources, made.rank, made.upper.present[level])
            kept, own = self.kept(level), made.upper.own[level]
            if kept != own and any(
                name in won and old != new for name, old, new in zip(_NAMES[level], kept, own, strict=True)
            ):
                return None
        return then


def _came_before(sources: Iterable[Kept], rank: Rank) -> bool:
    """Tell whether a study belongs to the patient of an instance that was received before another one."""
    for _, received, uid, names in sources:
        if OWNER in names:
            return (received, uid) < (rank.received, rank.sop_uid)
    return False


class KnownSeries:
    """The statements for one new instance of a known series, for one database product with one writer at a time.

    Args:
        dialect: the product.
        counts: the statements that keep the counts of SOP Classes.
        revisions: the statements that keep the revisions.
        insert: inserts rows into `instance` and `instance_json`.
    """

    def __init__(
        self, dialect: SqlDialect, counts: Counts, revisions: RevisionWrites, insert: Mapping[str, InsertRows]
    ) -> None:
        self._parents, self._allocate = Statement(dialect, "add.known"), dialect.allocate
        self._counts, self._revisions, self._insert = counts, revisions, insert
        self._update = {level: dialect.updater(TABLES[level], ("sources",), plus=("instances",)) for level in PARENTS}

    def ask(self, session: Session, made: Prepared, tenant: int) -> Found | None:
        """Return what matters for an instance; None where it is not simply the next of a series of one study."""
        instance = made.entry.instance
        rows = self._parents.rows(
            session,
            {
                "tenant": tenant,
                "series": instance.series_uid,
                "sop": instance.sop_uid,
                "key": made.entry.key,
                "since": now() - KEPT,
            },
        )
        if len(rows) != 1:
            return None
        held, retired, *_ = row = rows[0]
        return None if held or retired or row[_STUDY_UID] != instance.study_uid else Found(tenant, made, row)

    def write(self, session: Session, found: Found) -> Outcome | None:
        """Write an instance that changes no attribute of its series, study and patient; None: it may change one."""
        sources = found.sources_then()
        if sources is None:
            return None
        made, series_pk = found.made, found.keys[Level.SERIES]
        entry = made.entry
        for level, pk in found.keys.items():
            self._update[level](session, [(pk, sources[level], 1)])
        (pk,) = self._allocate(session, "instance", 1)
        self._insert["instance"](session, [instance_row(pk, found.tenant, series_pk, made, other_patient=False)])
        self._insert["instance_json"](session, [(pk, entry.metadata, made.upper.blob, entry.frames or None)])
        self._counts.classes(session, {(series_pk, made.sop_class_uid): 1})
        self._revisions.written(session, new=(), old=[series_pk])
        return Outcome(
            status=AddStatus.ADDED,
            key=entry.key,
            sha256=entry.instance.sha256,
            series_instances=found.instances + 1,
        )
