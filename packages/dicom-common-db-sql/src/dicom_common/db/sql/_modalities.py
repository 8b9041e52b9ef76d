"""The modalities of each study: kept in the transaction that writes its series, its Study Date beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dicom_common.db.sql._batch import SeriesRow
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["Modalities"]

_IS, _OUGHT = 0, 1


class Modalities:
    """The statements that keep the modalities of studies, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._insert = dialect.inserter("study_modality")
        self._delete, self._forget = Statement(dialect, "modalities.delete_one"), Lookup(dialect, "modalities.forget")
        self._both = Lookup(dialect, "modalities.both")

    def written(self, session: Session, new_studies: Iterable[int], all_series: Sequence[SeriesRow]) -> None:
        """Keep up with the series of a batch, which are written; `new_studies` had none before."""
        new = set(new_studies)
        rows = set()
        changed = set()
        for row in all_series:
            if row.study.pk not in new:
                if row.made or row.study.made:
                    changed.add(row.study.pk)
            elif (modality := row.made["modality"]) is not None:
                rows.add((row.study.pk, modality, row.tenant, row.study.made["study_date"], row.study.uid))
        self._insert(session, sorted(rows))
        self.refresh(session, changed)

    def refresh(self, session: Session, studies: Iterable[int], *, write: bool = True) -> int:
        """Make the rows of studies agree with their series, or only compare; return how many did not."""
        found: dict[int, set[tuple[int, str, int, int, str]]] = defaultdict(set)
        for which, *row in self._both.rows(session, sorted(studies)):
            pk, modality, tenant, day, uid = row
            found[which].add((pk, modality, tenant, day, uid))
        gone, missing = sorted(found[_IS] - found[_OUGHT]), sorted(found[_OUGHT] - found[_IS])
        if write:
            self._delete.run_many(session, [{"at": pk, "modality": modality} for pk, modality, *_ in gone])
            self._insert(session, missing)
        return len({row[:2] for row in (*gone, *missing)})

    def forget(self, session: Session, studies: Iterable[int]) -> None:
        """Take the rows of studies away that are about to go."""
        self._forget.run(session, studies)
