"""Values between the records and the columns: the one place that knows how a date, a name or a list is kept.

Dates are integers YYYYMMDD, times HHMMSSffffff: they sort, are read by people, and every database compares them alike.
Text is cut to what an index takes; the metadata has it whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from dicom_common.core import Attribute, PersonName, RequestAttributes, Value
from dicom_common.db.sql._columns import ABSENT_NUMBER, MAX_PERSON, MAX_TEXT
from dicom_common.toolkit.query_rules import name_words

__all__ = [
    "clean",
    "date_number",
    "fold",
    "from_column",
    "micros",
    "moment",
    "study_date",
    "time_number",
    "to_column",
    "words",
]

_MAX_ITEMS = 64
"""Values of a multi-valued attribute that the index keeps."""
_INT32 = 2**31
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return text as it is kept: without NUL and lone surrogates, not longer than `limit` characters.

    Text that is cut ends in a digest of the whole, so that two long Patient IDs stay two.
    """
    if text.isascii():
        if len(text) <= limit and "\0" not in text:
            return text
    else:
        text = text.encode("utf-8", "replace").decode()
    text = text.replace("\0", "")
    if len(text) <= limit:
        return text
    return f"{text[: limit - 17]}~{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def fold(text: str) -> str:
    """Return a name without case, for comparing; trailing delimiters of components do not count (PS3.5 6.2.1.2)."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return clean(text.casefold().strip(" ").rstrip("^ "))


def words(text: str) -> str | None:
    """Return the words of a name, each behind a space, for fuzzy matching; None where it has none."""
    joined = ""
    for word in name_words(text):
        if len(joined) + 1 + len(word) > MAX_PERSON:
            break
        joined += " " + word
    return joined or None


def date_number(value: date) -> int:
    """Return a date as a column keeps it: YYYYMMDD."""
    return value.year * 10000 + value.month * 100 + value.day


def time_number(value: time) -> int:
    """Return a time as a column keeps it: HHMMSSffffff."""
    return ((value.hour * 100 + value.minute) * 100 + value.second) * 1_000_000 + value.microsecond


@lru_cache(4096)
def _date(number: int) -> date:
    return date(number // 10000, number // 100 % 100, number % 100)


@lru_cache(16384)
def study_date(number: int) -> date | None:
    """Return the Study Date that a column keeps; 0 stands for an absent one."""
    return _date(number) if number else None


@lru_cache(16384)
def _time(number: int) -> time:
    seconds, fraction = divmod(number, 1_000_000)
    return time(seconds // 10000, seconds // 100 % 100, seconds % 100, fraction)


def micros(moment: datetime) -> int:
    """Return a moment as a column keeps it: microseconds since 1970 in UTC."""
    delta = moment - _EPOCH
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment(number: int) -> datetime:
    """Return the moment that a column keeps."""
    seconds, fraction = divmod(number, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction)


def to_column(attribute: Attribute) -> Callable[[Any], Any]:  # noqa: PLR0911 - a line for each sort of column
    """Return what makes a column of an attribute's value."""
    if attribute.field == "study_date":
        return lambda value: 0 if value is None else date_number(value)
    if attribute.field in ("series_number", "instance_number"):
        return lambda value: ABSENT_NUMBER if value is None or not -_INT32 <= value < _INT32 else value
    if attribute.field in ("patient_id", "issuer_of_patient_id"):
        return lambda value: clean(value or "")
    if attribute.field == "request_attributes":
        return _requests_text
    if attribute.vr == "DS":
        return _numbers_text if attribute.multiple else _finite
    if attribute.multiple:
        return _texts_text
    return _TO_COLUMN.get(attribute.vr, _text)


def from_column(attribute: Attribute) -> Callable[[Any], Value] | None:
    """Return what makes a value of an attribute's column that is not NULL; None where nothing is to be done."""
    if attribute.field == "study_date":
        return study_date
    if attribute.field in ("series_number", "instance_number"):
        return lambda number: None if number == ABSENT_NUMBER else number
    if attribute.field == "issuer_of_patient_id":
        return lambda text: text or None
    if attribute.field == "request_attributes":
        return lambda text: tuple(RequestAttributes(*item) for item in json.loads(text))
    if attribute.multiple:
        return _texts if attribute.vr == "CS" else _numbers
    return _FROM_COLUMN.get(attribute.vr)


def _text(value: str | None) -> str | None:
    return None if value is None else clean(value) or None


@lru_cache(4096)  # UIDs of SOP Classes and the like come again and again; others push each other out
def _uid(value: str) -> str:
    return clean(value, 64)


def _integer(value: int | None) -> int | None:
    return value if value is None or -_INT32 <= value < 2 * _INT32 else None


def _finite(value: float | None) -> float | None:
    # Plus 0.0: a negative zero, which SQLite does not keep, becomes 0.0 on every database.
    return float(value) + 0.0 if value is not None and math.isfinite(value) else None


def _name(value: PersonName | None) -> str | None:
    if value is None:
        return None
    return "=".join([clean(group.replace("=", " ") if "=" in group else group) for group in value]).rstrip("=") or None


@lru_cache(4096)
def _numbers_text(values: Sequence[float]) -> str | None:
    if not values or not all(map(math.isfinite, values)):
        return None
    # JSON, three times as fast as json.
    return f"[{', '.join([repr(float(value) + 0.0) for value in values[:_MAX_ITEMS]])}]"


@lru_cache(4096)
def _texts_text(values: Sequence[str]) -> str | None:
    return json.dumps([clean(value) for value in values[:_MAX_ITEMS]], ensure_ascii=False) if values else None


def _requests_text(values: Sequence[RequestAttributes]) -> str | None:
    if not values:
        return None
    return json.dumps([[_text(one) for one in item] for item in values[:_MAX_ITEMS]], ensure_ascii=False)


@lru_cache(4096)
def _texts(text: str) -> Value:
    return tuple(json.loads(text))


@lru_cache(4096)
def _numbers(text: str) -> Value:
    return tuple(json.loads(text))


@lru_cache(16384)
def _person(text: str) -> PersonName:
    return PersonName(*text.split("=", 2))


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "DA": lambda value: None if value is None else date_number(value),
    "TM": lambda value: None if value is None else time_number(value),
    "IS": _integer,
    "US": _integer,
    "PN": _name,
    "UI": _uid,
}
_FROM_COLUMN: dict[str, Callable[[Any], Value]] = {
    "DA": _date,
    "TM": _time,
    "PN": _person,
}
