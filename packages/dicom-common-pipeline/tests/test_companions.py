"""Which files that are not DICOM belong to a medium, and which may be instances that are damaged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dicom_common.pipeline import is_companion

ERROR_PAGE = b"<html><body>404 Not Found</body></html>"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README", b"How to look at the images:\r\n"),
        ("LIESMICH", "Bilder \xf6ffnen".encode("latin-1")),
        ("VERSION", b"3.1\n"),
        ("AUTORUN.INF", b""),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("viewer.exe", b"MZ\x90"),
        ("QtGui4.DLL", b"MZ\x90"),
        ("viewer", b"\x7fELF\x02"),
        ("weasis2", b"#!/bin/sh\n"),
        ("index.htm", ERROR_PAGE),
        ("report.pdf", b"%PDF-1.4"),
        ("data.json", b""),
    ],
)
def test_what_a_medium_has_beside_its_instances(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_companion(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("IM000001", bytes(4096)),
        ("IM000002", ERROR_PAGE),
        ("1.2.840.113619.2.5", ERROR_PAGE),
        ("image.dcm", ERROR_PAGE),
        ("image.DCM", b"MZ\x90"),
        ("slice.ima", b"text"),
        ("scan", bytes(range(256))),
        ("EMPTY", b""),
        ("study.zip", b"PK\x03\x04"),
        ("volume.raw", bytes(64)),
        (".txt", bytes(64)),
    ],
)
def test_what_may_be_a_damaged_instance_is_no_companion(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_companion(tmp_path / name)


def test_what_cannot_be_looked_at_is_no_companion(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README")
    assert not is_companion(tmp_path / "README")
    assert not is_companion(tmp_path / "VERSION")
