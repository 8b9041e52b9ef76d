"""The tables of the native reader are those of the Python reader."""

from __future__ import annotations

from native_tables import FOLDER, tables


def test_the_tables_of_the_native_reader_are_up_to_date() -> None:
    made = tables()
    assert {path.name: path.read_bytes() == made.get(path.name) for path in FOLDER.iterdir()} == dict.fromkeys(
        made, True
    ), "run `python tools/native_tables.py`, and raise the version of dicom-common-native"
