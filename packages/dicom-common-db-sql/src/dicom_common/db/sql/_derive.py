"""The rows of patients, studies and series, made from the instances below them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, func, select

from dicom_common.core import Level
from dicom_common.db.sql._flavour import Flavour
from dicom_common.db.sql._rows import IDENTITY, Upper, latest, parent_values, upper_from_blob
from dicom_common.db.sql._schema import LEVELS, instance, instance_json, request_item, series, study
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["Derivation"]

PARENTS = (Level.PATIENT, Level.STUDY, Level.SERIES)


class Derivation:
    """The statements that write parents' rows, for one database product."""

    def __init__(self, flavour: Flavour) -> None:
        dialect = flavour.dialect
        self._update = {level: flavour.updater(LEVELS[level], ["latest", *_CHANGING[level]]) for level in PARENTS}
        self._unknown = flavour.updater(LEVELS[Level.PATIENT], ["latest"])
        self._newest = {level: Statement(_newest(level), dialect) for level in PARENTS}
        self._forget_items = Lookup(dialect, lambda among: delete(request_item).where(among(request_item.c.series_fk)))
        self._insert_items = flavour.inserter(request_item)

    def update(self, session: Session, level: Level, rows: Iterable[tuple[int, str, Upper]]) -> None:
        """Give existing rows the attributes of the instance that is now the latest below them."""
        made = []
        for pk, rank, upper in rows:
            values = parent_values(level, upper)
            made.append((pk, rank, *[values[name] for name in _CHANGING[level]]))
        if made:
            self._update[level](session, made)

    def request_items(self, session: Session, tenant: int, rows: Sequence[tuple[int, Upper]], *, new: bool) -> None:
        """Write what is searched of the Request Attributes Sequence of series."""
        if not new:
            self._forget_items.run(session, [pk for pk, _ in rows])
        self._insert_items(
            session,
            [
                (pk, position, tenant, step, procedure)
                for pk, upper in rows
                if (text := upper.columns["request_attributes"])
                for position, (step, procedure) in enumerate(json.loads(text))
            ],
        )

    def again(self, session: Session, level: Level, pks: Iterable[int]) -> None:
        """Make rows anew from the instances that they have now."""
        for pk in pks:
            found = self._newest[level].rows(session, {"at": pk})
            if not found:
                # A patient whose own instances are all gone from a study that stays: what is known of him is kept
                # until the next one comes.
                self._unknown(session, [(pk, "")])
                continue
            tenant, day, moment, uid, blob = found[0]
            upper = upper_from_blob(bytes(blob))
            self.update(session, level, [(pk, latest(day, moment, uid), upper)])
            if level is Level.SERIES:
                self.request_items(session, tenant, [(pk, upper)], new=False)


def _changing(level: Level) -> list[str]:
    names = parent_values(level, upper_from_blob(b'{"patient_id":"","issuer_of_patient_id":""}'))
    return [name for name in names if name not in IDENTITY[level]]


_CHANGING = {level: _changing(level) for level in PARENTS}
"""The columns of a parent that are made anew when another instance is its latest."""


def _newest(level: Level) -> Any:
    """Select the latest instance below a row; for a patient, only of those that name this very patient."""
    c = instance.c
    statement = (
        select(c.tenant_fk, c.instance_creation_date, c.instance_creation_time, c.sop_uid, instance_json.c.upper)
        .select_from(
            instance.join(series)
            .join(study, series.c.study_fk == study.c.pk)
            .join(instance_json, instance_json.c.instance_fk == c.pk)
        )
        .order_by(
            func.coalesce(c.instance_creation_date, 0).desc(),
            func.coalesce(c.instance_creation_time, -1).desc(),
            c.sop_uid.desc(),
        )
        .limit(1)
    )
    at: BindParameter[int] = bindparam("at")
    if level is Level.SERIES:
        return statement.where(c.series_fk == at)
    if level is Level.STUDY:
        return statement.where(series.c.study_fk == at)
    return statement.where(study.c.patient_fk == at, c.other_patient == 0)
