"""One new instance of a series that is known: one question in place of five.

Instances of a modality come one by one, and nearly all of them are the next of their series. Where no other transaction
writes meanwhile, no row has to be locked, and one statement can join what is known of the parents and look whether
the instance or its storage key is known. What it finds is decided and written as any batch is.
"""

from __future__ import annotations

from dicom_common.db.sql._batch import Batch, PatientRow, SeriesRow, StudyRow
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._discarded import KEPT, now
from dicom_common.db.sql._ranks import ranks_from_text
from dicom_common.db.sql._rows import Prepared
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Statement

__all__ = ["KnownSeries"]


class KnownSeries:
    """The statement that asks for all that matters for one instance, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._parents = Statement(dialect, "add.known")

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
        (
            (
                held,
                retired,
                pk,
                sources,
                count,
                modality,
                study_pk,
                study_uid,
                of_study,
                day,
                patient_pk,
                *who,
                of_patient,
            ),
        ) = rows
        if held or retired or study_uid != instance.study_uid:
            return None
        identity = (who[0], who[1], who[2])
        patient = PatientRow(tenant=tenant, pk=patient_pk, ranks=ranks_from_text(of_patient), identity=identity)
        study = StudyRow(
            tenant=tenant,
            pk=study_pk,
            ranks=ranks_from_text(of_study),
            uid=study_uid,
            study_date=day,
            patient=patient,
            owner=identity,
        )
        series = SeriesRow(
            tenant=tenant,
            pk=pk,
            ranks=ranks_from_text(sources),
            uid=instance.series_uid,
            study=study,
            instances=count,
            modality=modality,
        )
        return Batch(
            patients={(tenant, identity): patient},
            studies={(tenant, study_uid): study},
            series={(tenant, instance.series_uid): {study_uid: series}},
        )
