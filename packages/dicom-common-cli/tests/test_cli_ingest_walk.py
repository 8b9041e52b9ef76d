"""`dicom-common ingest` on folders as they are: media with viewers, links, pipes, what cannot be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from cli_command import Installation


@pytest.fixture
def medium(tmp_path: Path, samples: Path) -> Path:
    """A folder with one instance, a DICOMDIR, a viewer and what systems leave."""
    folder = tmp_path / "medium"
    (folder / "DICOM").mkdir(parents=True)
    shutil.copy(samples / "CT_small.dcm", folder / "DICOM" / "IM000001")
    shutil.copy(samples / "dicomdirtests" / "DICOMDIR", folder / "DICOMDIR")
    for name, content in {
        "README": b"Look at me.\n",
        "VERSION": b"2\n",
        "autorun.inf": b"[autorun]\n",
        "viewer.exe": b"MZ\x90",
        "viewer.dll": b"MZ\x90",
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        ".DS_Store": b"\0\0\0\1Bud1",
    }.items():
        (folder / name).write_bytes(content)
    return folder


def statuses(installation: Installation, *words: str | Path) -> tuple[int, dict[str, tuple[str, str]], str]:
    answer = installation("ingest", "--json", *words)
    return answer.code, {Path(line["path"]).name: (line["status"], line["reason"]) for line in answer.lines}, answer.err


def test_a_medium_with_a_viewer_is_ingested_without_a_complaint(new: Installation, medium: Path) -> None:
    code, told, summary = statuses(new, medium)
    assert code == 0
    assert told.pop("IM000001") == ("stored", "")
    assert told.pop("DICOMDIR") == ("skipped", "media-directory")
    assert told.pop(".DS_Store") == ("skipped", "hidden")
    assert set(told.values()) == {("skipped", "not-dicom")}
    assert len(told) == 6
    assert summary == "9 files: 1 stored, 8 skipped (6 not-dicom, 1 hidden, 1 media-directory)\n"
    assert new("ingest", medium).out == ("9 files: 1 duplicate, 8 skipped (6 not-dicom, 1 hidden, 1 media-directory)\n")


def test_a_damaged_instance_among_them_is_rejected(new: Installation, medium: Path) -> None:
    (medium / "DICOM" / "IM000002").write_bytes(bytes(2048))
    (medium / "DICOM" / "IM000003.dcm").write_text("404 Not Found")
    code, told, _ = statuses(new, medium)
    assert code == 1
    assert (told["IM000002"], told["IM000003.dcm"]) == (("rejected", "not-dicom"),) * 2
    assert [name for name, (status, _) in told.items() if status == "stored"] == ["IM000001"]


def test_a_medium_without_an_instance_is_an_error(new: Installation, medium: Path) -> None:
    shutil.rmtree(medium / "DICOM")
    new("ingest", medium).fails_with_one_line("There are no files in", "that may be instances")


def test_what_is_named_itself_is_no_companion_and_a_dicomdir_always_is(new: Installation, medium: Path) -> None:
    code, told, _ = statuses(new, *(path for path in medium.iterdir() if path.name != ".DS_Store"))
    assert code == 1
    assert told["README"] == ("rejected", "not-dicom")
    assert told["DICOMDIR"] == ("skipped", "media-directory")
    assert told["IM000001"] == ("stored", "")


def test_what_a_walk_does_not_take_is_told_and_the_exit_code_is_1(
    new: Installation, medium: Path, tmp_path: Path, samples: Path
) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(samples / "MR_small.dcm", tmp_path / "other" / "IM000009")
    (medium / "study").symlink_to(tmp_path / "other")
    (medium / "lost.dcm").symlink_to("gone")
    os.mkfifo(medium / "pipe.dcm")

    code, told, summary = statuses(new, medium)
    assert code == 1
    assert told["IM000001"] == ("stored", "")
    assert {name: reason for name, (status, reason) in told.items() if status == "missed"} == {
        "study": "folder-link",
        "lost.dcm": "dangling-link",
        "pipe.dcm": "special-file",
    }
    assert "3 missed (" in summary

    answer = new("ingest", "--follow-links", medium)
    assert answer.code == 1
    assert f"missed {medium / 'lost.dcm'}: It is a link that leads nowhere. [dangling-link]" in answer.out
    assert "1 stored, 1 duplicate" in answer.out.splitlines()[-1]
    assert new.count == 2


def test_only_what_is_missed_is_no_empty_folder(new: Installation, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lost.dcm").symlink_to("gone")
    answer = new("ingest", tmp_path / "in")
    assert answer.code == 1
    assert answer.out.endswith("1 file: 1 missed (1 dangling-link)\n")


def test_an_object_above_the_limit_is_rejected_by_name(new: Installation, samples: Path) -> None:
    new.variables["DICOM_COMMON_INGEST__MAX_OBJECT_BYTES"] = "39204"  # of CT_small.dcm it is 39206
    answer = new("ingest", samples / "CT_small.dcm", samples / "MR_small.dcm")
    assert answer.code == 1
    assert "It is larger than 39204 bytes: raise ingest.max_object_bytes to take it. [object-too-large]" in answer.out
    assert new.count == 1
