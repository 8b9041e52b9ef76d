"""A search in the index, as data: what QIDO-RS (PS3.18 10.6) and C-FIND (PS3.4 C.2.2.2) ask of it.

The values that are searched for may be a patient's name or number: no repr shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time

from dicom_common.core._attributes import Level

__all__ = ["Absent", "AnyOf", "Condition", "Fuzzy", "Interval", "Like", "OneOf", "Query"]


@dataclass(frozen=True, slots=True)
class OneOf:
    """The attribute equals one of the values: single value matching and UID list matching (PS3.4 C.2.2.2.1, .2).

    `keyword` is a keyword of `ATTRIBUTES`, or `ModalitiesInStudy`, or
    `RequestAttributesSequence.ScheduledProcedureStepID` or `.RequestedProcedureID`. PN ignores case, all else does not.
    """

    keyword: str
    values: tuple[str | int | float, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Like:
    """The attribute matches a pattern of `*` (any text) and `?` (one character); all else is literal (C.2.2.2.4)."""

    keyword: str
    pattern: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """A PN attribute has the words of a name, or words that begin so: fuzzy matching (PS3.18 8.3.4.2).

    Case, accents, the width of letters, the order of the words and the component group do not count: `muller jo` finds
    `Müller^Johann`. Every word of `name` is the beginning of a word of the stored name. `name_words` of
    dicom-common-toolkit says what the words are, of this name and of the stored one. Without any word it holds for
    every row.
    """

    keyword: str
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Interval:
    """A date, a time, or the two of them combined lie between two ends, both included (C.2.2.2.5).

    `keywords` names a DA attribute, a TM attribute, or a DA and a TM attribute that are searched as one point in time;
    an end has a value for each, or is None where that side is open.
    """

    keywords: tuple[str, ...]
    low: tuple[date | time, ...] | None = field(repr=False)
    high: tuple[date | time, ...] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Absent:
    """The attribute has no value: empty value matching (C.2.2.2.7).

    `ModalitiesInStudy` has none where no series of the study has a Modality. An attribute of a sequence has none where
    an item lacks it, or where there is no item.
    """

    keyword: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of several conditions on the same attribute holds: multiple value matching (C.2.2.2.8)."""

    conditions: tuple[OneOf | Like | Fuzzy | Interval | Absent, ...]


Condition = OneOf | Like | Fuzzy | Interval | Absent | AnyOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search of one tenant at one level.

    All conditions must hold; a condition on a lower level holds where any child does. Conditions on the items of one
    sequence must all hold for the same item (PS3.4 C.2.2.2.6). `validate_query` has the limits.

    `fields` are the keywords of what an answer has; None: all. They are attributes of the level or of the levels above,
    or computed ones (see `Match`). The unique keys of the level and the levels above come with them: Patient ID and its
    issuer, and the UIDs. What is not asked for is neither read nor computed.

    `ignored` are the keys of the request that no condition was made of; see `parse_query`. No database looks at them.
    """

    tenant: str
    level: Level
    conditions: tuple[Condition, ...] = ()
    limit: int | None = None
    offset: int = 0
    ignored: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
