"""What a package has to say in the DICOM Conformance Statement (PS3.2)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StatementSection", "StatementTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementTable:
    """One table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """As many cells each as there are columns."""

    def __post_init__(self) -> None:
        """Refuse a row that is not one of this table."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"each row of {self.title!r} has to have {len(self.columns)} cells")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSection:
    """A section: what it says follows from the tables by which the code works, so that it cannot say anything else."""

    place: int
    """Where it stands among the others: 20 networking, 30 DICOMweb, 40 what becomes of instances, 50 transfer syntaxes,
    60 character sets, 70 security. Of the same place, by title."""
    title: str
    text: str = ""
    """Paragraphs, with an empty line between two."""
    tables: tuple[StatementTable, ...] = ()
