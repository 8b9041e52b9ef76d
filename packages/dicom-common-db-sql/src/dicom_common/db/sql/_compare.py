"""Which rows are to be derived or compared, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence

from dicom_common.db.sql._derive import Derivation
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Statement

__all__ = ["Comparison", "Parent"]

_PAGE = 500
Parent = tuple[int, str, str]
"""The surrogate key of a study or a patient, its tenant, and the Study Instance UID of a study."""


class Comparison:
    """The statements that list studies and patients, for one dialect."""

    def __init__(self, dialect: SqlDialect, derivation: Derivation) -> None:
        self._derivation = derivation
        self._studies, self._patients = Statement(dialect, "compare.studies"), Statement(dialect, "compare.patients")
        self._stale_studies = Statement(dialect, "compare.stale_studies")
        self._stale_patients = Statement(dialect, "compare.stale_patients")

    def studies(self, session: Session, after: int) -> list[Parent]:
        """Return the studies behind a surrogate key."""
        return [(row[0], row[1], row[2]) for row in self._studies.rows(session, {"after": after, "limit": _PAGE})]

    def patients(self, session: Session, after: int) -> list[Parent]:
        """Return the patients behind a surrogate key."""
        return [(row[0], row[1], "") for row in self._patients.rows(session, {"after": after, "limit": _PAGE})]

    def study(self, session: Session, pk: int, *, repair: bool) -> int:
        """Compare a study with its instances; return how many rows were wrong."""
        wrong, owners = self._derivation.study(session, pk, write=repair)
        if repair and len(owners) > 1:
            self._derivation.both(session, (), owners)
        return wrong

    def patient(self, session: Session, pk: int, *, repair: bool) -> int:
        """Compare a patient with its instances; return how many rows were wrong."""
        return self._derivation.patient(session, pk, write=repair)

    def derive_stale(self, session: Session) -> None:
        """Derive the rows for which a migration asks: those without sources."""
        owners: set[int] = set()
        after = 0
        while found := self._page(session, self._stale_studies, after):
            for pk in found:
                _, concerned = self._derivation.study(session, pk, write=True)
                owners |= concerned if len(concerned) > 1 else set()
            after = found[-1]
        after = 0
        while found := self._page(session, self._stale_patients, after):
            owners.update(found)
            after = found[-1]
        self._derivation.both(session, (), owners)

    def _page(self, session: Session, statement: Statement, after: int) -> Sequence[int]:
        return [row[0] for row in statement.rows(session, {"after": after, "limit": _PAGE})]
