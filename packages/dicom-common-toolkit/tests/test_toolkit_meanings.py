"""Meanings of errors: the first entry that fits is taken, by codes, classes and words."""

from __future__ import annotations

import errno

import pytest

from dicom_common.core import BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.toolkit import Meaning, Meanings

MEANINGS = Meanings(
    (
        Meaning(NotFoundError, "{where} has no row {row}.", codes=(404, "NoSuchRow")),
        Meaning(RefusedError, "{where} refuses the disk.", codes=(errno.EACCES,), classes=(OSError,)),
        Meaning(UnavailableError, "{where} is slow.", classes=(TimeoutError,)),
        Meaning(UnavailableError, "{where} is moving.", words=("moved", "moving")),
        Meaning(UnavailableError, "{where} fails ({name}).", codes=range(500, 600)),
        Meaning(BackendError, "{where} failed in an unforeseen way ({name})."),
    ),
    {"where": "the index on db.example"},
)


@pytest.mark.parametrize(
    ("error", "codes", "text", "kind", "sentence"),
    [
        (None, (404,), "", NotFoundError, "The index on db.example has no row 7."),
        (None, ("x", "NoSuchRow"), "moved", NotFoundError, "The index on db.example has no row 7."),
        (PermissionError(), (errno.EACCES,), None, RefusedError, "The index on db.example refuses the disk."),
        (ValueError(), (errno.EACCES,), None, BackendError, "The index on db.example failed in an unforeseen way (E)."),
        (TimeoutError("moved"), (), None, UnavailableError, "The index on db.example is slow."),
        (ValueError("the slot has moved"), (), None, UnavailableError, "The index on db.example is moving."),
        (ValueError("moved"), (), "", BackendError, "The index on db.example failed in an unforeseen way (E)."),
        (None, (503, ""), "", UnavailableError, "The index on db.example fails (E)."),
        (None, ("503",), "", BackendError, "The index on db.example failed in an unforeseen way (E)."),
    ],
)
def test_the_first_entry_that_fits_is_taken(
    error: BaseException | None, codes: tuple[object, ...], text: str | None, kind: type[BackendError], sentence: str
) -> None:
    made = MEANINGS.error(error, *codes, text=text, row=7, name="E")
    assert type(made) is kind
    assert str(made) == sentence
    assert MEANINGS.find(error, *codes, text=text).kind is kind


def test_a_brace_in_a_name_is_no_field() -> None:
    meanings = Meanings((Meaning(BackendError, "{where} failed."),), {"where": "the file {name}"})
    assert str(meanings.error(None)) == "The file {name} failed."
