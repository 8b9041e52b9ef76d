"""Old files go when they should, and verify tells that from a removal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from audit_site import check, event, lines, trail

from dicom_common.audit import FlawKind, Trail
from dicom_common.audit._prune import prunable, prune

BEFORE = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
WHO = {"user": "ada@clinic", "address": "host", "request_id": "1"}


@pytest.fixture
def written(tmp_path: Path) -> Trail:
    """Six records, each in a file of its own; the first three are from before the moment."""
    made = trail(tmp_path / "audit", file_bytes=1, publish=False)
    for number in range(6):
        made.append([event(number)])
    return made


def test_old_files_are_deleted_and_the_rest_verifies(written: Trail) -> None:
    files, last = prunable(written, BEFORE)
    assert last is not None
    assert (len(files), last.seq) == (3, 3)
    prune(written, files, last, **WHO)
    found = check(written.folder.path)
    assert (found.flaws, found.records, found.last_seq) == ([], 4, 7)
    assert "1 to 3 were deleted" in found.notes[0]
    assert prunable(written, BEFORE) == ([], None)


def test_what_is_removed_behind_that_still_shows(written: Trail) -> None:
    files, last = prunable(written, BEFORE)
    assert last is not None
    prune(written, files, last, **WHO)
    (written.folder.path / written.folder.files()[0]).unlink()
    [flaw] = check(written.folder.path).flaws
    assert (flaw.kind, flaw.seq) == (FlawKind.REMOVED, 4)


def test_a_prune_that_died_in_the_middle_is_gone_on_with(written: Trail) -> None:
    files, last = prunable(written, BEFORE)
    assert last is not None
    prune(written, files[:1], last, **WHO)
    assert check(written.folder.path).flaws == []
    again, last = prunable(written, BEFORE)
    assert last is not None
    prune(written, again, last, **WHO)
    assert check(written.folder.path).flaws == []
    assert b'"seq":4,' in lines(written.folder.path)[0]


def test_the_newest_file_and_what_was_not_published_stay(tmp_path: Path) -> None:
    never = datetime.now(UTC) + timedelta(days=1)
    made = trail(tmp_path / "audit", file_bytes=1, publish=True)
    for number in range(3):
        made.append([event(number)])
    assert prunable(made, never) == ([], None)
    made.folder.write_note("published.json", {"file": made.folder.files()[1], "offset": 0})
    files, _ = prunable(made, never)
    assert files == made.folder.files()[:1]


def test_records_that_somebody_made_look_old_are_not_deleted(written: Trail) -> None:
    # Who has the file and not the key could otherwise let an operator delete what shall not be seen.
    names = written.folder.files()
    recent = written.folder.path / names[3]
    recent.write_bytes(recent.read_bytes().replace(b"2026-03-01", b"2006-03-01"))
    files, last = prunable(written, BEFORE)
    assert last is not None
    assert (files, last.seq) == (names[:3], 3)
    prune(written, files, last, **WHO)
    assert (FlawKind.CHANGED, names[3]) in [(flaw.kind, flaw.file) for flaw in check(written.folder.path).flaws]
