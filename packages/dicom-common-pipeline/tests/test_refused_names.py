"""Of what the reader refuses, the answer names the SOP Instance where its beginning does (PS3.18 Table I.1-1)."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from pipeline_site import ROOT, Make, Site

from dicom_common.pipeline import Received, Result

CLASS = "1.2.840.10008.5.1.4.1.1.7"
LONG = bytes(600_000)
"""More than `in_memory_bytes`."""


def as_file(data: bytes, folder: Path) -> Path:
    path = folder / "received"
    path.write_bytes(data)
    return path


def as_pipe(data: bytes, _: Path) -> BinaryIO:
    reading, writing = os.pipe()

    def send() -> None:
        with os.fdopen(writing, "wb") as stream:
            stream.write(data)

    threading.Thread(target=send, daemon=True).start()
    return os.fdopen(reading, "rb")


def refused(site: Site, source: object) -> Result:
    with site.ingest() as ingest:
        [result] = ingest.store([Received(source=source, name="one")], tenant="local")  # type: ignore[arg-type]  # of all kinds
    assert result.status == "rejected"
    assert not site.objects
    return result


@pytest.mark.parametrize("payload", [bytes(100), LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "source",
    [lambda data, _: data, as_file, lambda data, _: io.BytesIO(data), as_pipe],
    ids=["bytes", "file", "io", "pipe"],
)
def test_an_instance_that_was_cut_is_named(
    site: Site, make: Make, tmp_path: Path, source: Callable[[bytes, Path], object], payload: bytes
) -> None:
    result = refused(site, source(make(3, payload=payload)[:-50], tmp_path))
    assert (result.reason, result.sop_class_uid, result.sop_uid) == ("truncated", CLASS, f"{ROOT}.1.1.3")
    assert result.study_uid is None


def test_an_instance_without_a_study_is_named(site: Site, make: Make) -> None:
    result = refused(site, make(4, StudyInstanceUID=""))
    assert (result.reason, result.sop_class_uid, result.sop_uid) == ("missing-uid", CLASS, f"{ROOT}.1.1.4")


def test_what_has_two_identities_or_none_is_not_named(site: Site, make: Make) -> None:
    whole = make(5)
    start = whole.index(b"\x08\x00\x18\x00UI")
    uid = whole[start : start + 8 + whole[start + 6]]
    twice = whole[:start] + uid + uid.replace(b"1.5", b"1.6") + whole[start + len(uid) :]
    for data in (twice, whole.replace(uid, uid[:8] + b"../e" + uid[12:]), b"", b"no DICOM" * 100):
        result = refused(site, data)
        assert (result.sop_class_uid, result.sop_uid) == (None, None)
