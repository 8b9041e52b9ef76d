"""What parents count: their instances, series and studies, and for each series the instances of each SOP Class."""

from __future__ import annotations

from dicom_common.core import Level
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["COUNTED", "Counts"]

COUNTED = {
    Level.PATIENT: ("instances", "series", "studies"),
    Level.STUDY: ("instances", "series"),
    Level.SERIES: ("instances",),
}
"""What a batch adds to the row of a parent, in the order in which it is given to the statements."""
_FEW = 4
"""The number of SOP Classes whose rows are changed before it is known whether they are there."""


class Counts:
    """The statements that keep the counts of parents, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self.patient = dialect.updater("patient", (), plus=COUNTED[Level.PATIENT])
        self.study = dialect.updater("study", (), plus=COUNTED[Level.STUDY])
        self.series = dialect.updater("series", (), plus=COUNTED[Level.SERIES])
        self._class, self._classes = Statement(dialect, "add.more_of_class"), Lookup(dialect, "add.classes")
        self._insert, self._gone = dialect.inserter("series_class"), Lookup(dialect, "add.forget_classes")

    def classes(self, session: Session, changes: dict[tuple[int, str], int]) -> None:
        """Change how many instances of a SOP Class series have."""
        if len(changes) <= _FEW and all(change > 0 for change in changes.values()):
            self._more_of_few(session, changes)
            return
        pks = sorted({pk for pk, _ in changes})
        there = {(pk, uid) for pk, uid in self._classes.rows(session, pks)}
        self._class.run_many(
            session,
            [
                {"at": pk, "class": uid, "instances": change}
                for (pk, uid), change in changes.items()
                if change and (pk, uid) in there
            ],
        )
        self._insert(session, [(*at, change) for at, change in changes.items() if change and at not in there])
        if any(change < 0 for change in changes.values()):
            self._gone.run(session, pks)

    def _more_of_few(self, session: Session, changes: dict[tuple[int, str], int]) -> None:
        for (pk, uid), change in sorted(changes.items()):
            if not self._class.run(session, {"at": pk, "class": uid, "instances": change}):
                self._insert(session, [(pk, uid, change)])
