"""What the index knows of instances that are about to be removed, for the events of the removal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dicom_common.core import ATTRIBUTES, Instance, Level, Match, OneOf, Query, Removed
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._find import Search
from dicom_common.db.sql._rows import upper_from_blob
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import Lookup, chunks
from dicom_common.db.sql._values import from_column, moment

__all__ = ["Departing", "RemovedInstances"]

Departing = tuple[Instance, str, int]
"""An instance, its storage key, and when it was received."""

_OWN = [attribute for attribute in ATTRIBUTES if attribute.level is Level.INSTANCE]
_CONVERT = {attribute.field: from_column(attribute) for attribute in ATTRIBUTES}
_SEVERAL = frozenset(attribute.field for attribute in ATTRIBUTES if attribute.multiple)
_ASKED = 500
"""Series that are asked for at a time."""


class RemovedInstances:
    """The statements that read instances before, and their series after a removal."""

    def __init__(self, dialect: SqlDialect, search: Search) -> None:
        self._rows = Lookup(dialect, "removal.departing")
        self._search = search

    def before(self, session: Session, pks: Sequence[int]) -> list[Departing]:
        """Return instances by surrogate key, in the order of the keys."""
        found = {row[0]: (_instance(row), str(row[1]), int(row[2])) for row in self._rows.rows(session, pks)}
        return [found[pk] for pk in pks if pk in found]

    def after(self, session: Session, name: str, tenant: int, gone: Sequence[Departing]) -> list[Removed]:
        """Return what the events of a removal say of its instances."""
        series = self._series(session, name, tenant, [one for one, _, _ in gone])
        return [
            Removed(
                tenant=name,
                key=key,
                instance=one,
                received=moment(received),
                series=series.get((one.study_uid, one.series_uid)),
            )
            for one, key, received in gone
        ]

    def _series(
        self, session: Session, name: str, tenant: int, gone: Iterable[Instance]
    ) -> dict[tuple[Any, Any], Match]:
        touched: dict[str, dict[str, None]] = {}
        for one in gone:
            touched.setdefault(one.study_uid, {})[one.series_uid] = None
        found = {}
        for study, all_series in touched.items():
            for uids in chunks(all_series, _ASKED):
                asked = (OneOf("StudyInstanceUID", (study,)), OneOf("SeriesInstanceUID", tuple(uids)))
                query = Query(tenant=name, level=Level.SERIES, conditions=asked)
                for row in self._search.find(session, tenant, query):
                    found[row["StudyInstanceUID"], row["SeriesInstanceUID"]] = row
        return found


def _instance(row: Row) -> Instance:
    _, _, _, transfer_syntax_uid, size, sha256, upper, *own = row
    columns: dict[str, Any] = dict(upper_from_blob(bytes(upper)).columns)
    columns |= {attribute.field: value for attribute, value in zip(_OWN, own, strict=True)}
    values = {field: _value(field, value) for field, value in columns.items()}
    day = values["study_date"]
    return Instance(
        transfer_syntax_uid=transfer_syntax_uid,
        size=size,
        sha256=sha256,
        study_date_origin="" if day is None else f"{day:%Y%m%d}",
        **values,
    )


def _value(field: str, value: Any) -> Any:
    if value is None:
        return () if field in _SEVERAL else None
    convert = _CONVERT[field]
    return value if convert is None else convert(value)
