"""One new instance of a series that is known: one question in place of five.

Instances of a modality come one by one, and nearly all of them are the next of their series. Where no other transaction
writes meanwhile, no row has to be locked, and one statement can join what is known of the parents and look whether
the instance or its storage key is known. What it finds is decided and written as any batch is.
"""

from __future__ import annotations

from itertools import islice

from dicom_common.db.sql._batch import Batch, PatientRow, SeriesRow, StudyRow
from dicom_common.db.sql._columns import PARENTS
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._discarded import KEPT, Discarded, now
from dicom_common.db.sql._ranks import ranks_from_text
from dicom_common.db.sql._rows import Prepared, attribute_names
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Statement

__all__ = ["KnownSeries"]


class KnownSeries:
    """The statement that asks for all that matters for one instance, for one database product."""

    def __init__(self, dialect: SqlDialect, discarded: Discarded) -> None:
        self._parents, self._discarded = Statement(dialect, "add.known"), discarded

    def load(self, session: Session, made: Prepared, tenant: int) -> Batch | None:
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
        held, retired, pk, sources, count, study_pk, study_uid, of_study, patient_pk, of_patient, *rest = rows[0]
        if held or retired or study_uid != instance.study_uid:
            return None
        values = iter(rest)
        identity = (next(values), next(values), next(values))
        of_level = [list(islice(values, len(attribute_names(level)))) for level in PARENTS]
        patient = PatientRow(
            tenant=tenant, pk=patient_pk, ranks=ranks_from_text(of_patient), kept=of_level[0], identity=identity
        )
        study = StudyRow(
            tenant=tenant,
            pk=study_pk,
            ranks=ranks_from_text(of_study),
            kept=of_level[1],
            uid=study_uid,
            patient=patient,
            owner=identity,
        )
        series = SeriesRow(
            tenant=tenant,
            pk=pk,
            ranks=ranks_from_text(sources),
            kept=of_level[2],
            uid=instance.series_uid,
            study=study,
            instances=count,
        )
        return Batch(
            patients={(tenant, identity): patient},
            studies={(tenant, study_uid): study},
            series={(tenant, instance.series_uid): {study_uid: series}},
            referring=lambda: self._discarded.referred(session, [made.entry.key]),
        )
