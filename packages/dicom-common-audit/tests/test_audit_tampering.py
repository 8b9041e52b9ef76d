"""Whatever is done to the files of a trail shows, at the record to which it was done."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from audit_site import KEY, check, event, lines, trail, write_lines
from hypothesis import given, settings, strategies as st

from dicom_common.audit import FlawKind
from dicom_common.core import Secret

RECORDS = 6
numbers = st.integers(1, RECORDS)
many = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module", name="whole")
def whole_trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "audit"
    written = trail(folder)
    for number in range(RECORDS):
        written.append([event(number)])
    assert check(folder).flaws == []
    return folder


@contextmanager
def copied(whole: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(whole, Path(place) / "audit")
        yield Path(place) / "audit"


def flaws(folder: Path, key: Secret | None = KEY) -> list[tuple[FlawKind, int, int | None]]:
    return [(flaw.kind, flaw.line, flaw.seq) for flaw in check(folder, key).flaws]


@many
@given(number=numbers, place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_changed_byte_names_its_record(whole: Path, number: int, place: float, change: int) -> None:
    with copied(whole) as folder:
        all_lines = lines(folder)
        line = bytearray(all_lines[number - 1])
        at = int(place * len(line))
        line[at] ^= change if line[at] ^ change != ord("\n") else 0x80
        all_lines[number - 1] = bytes(line)
        write_lines(folder, all_lines)
        assert flaws(folder) == [(FlawKind.CHANGED, number, number)]


def test_every_value_of_every_record_is_covered(whole: Path) -> None:
    for number, line in enumerate(lines(whole), 1):
        for found in re.finditer(rb'"((?:[^"\\]|\\.)+)"|\d+', line):
            middle = (found.start() + found.end()) // 2
            changed = line[:middle] + (b"8" if line[middle : middle + 1] != b"8" else b"9") + line[middle + 1 :]
            with copied(whole) as folder:
                write_lines(folder, [*lines(whole)[: number - 1], changed, *lines(whole)[number:]])
                assert flaws(folder) == [(FlawKind.CHANGED, number, number)], found[0]
        if number == 2:
            break  # the others have the same fields


@many
@given(first=numbers, length=st.integers(1, RECORDS))
def test_removed_records_are_named_wherever_they_stood(whole: Path, first: int, length: int) -> None:
    last = min(first + length - 1, RECORDS)
    with copied(whole) as folder:
        write_lines(folder, [*lines(whole)[: first - 1], *lines(whole)[last:]])
        [(kind, _, seq)] = flaws(folder)
        assert (kind, seq) == (FlawKind.REMOVED, first)
        [flaw] = check(folder).flaws
        missing = f"record {first} is" if first == last else f"records {first} to {last} are"
        assert f"{missing} missing" in flaw.detail


@many
@given(number=st.integers(1, RECORDS - 1))
def test_two_records_that_changed_places_are_named(whole: Path, number: int) -> None:
    with copied(whole) as folder:
        all_lines = lines(whole)
        all_lines[number - 1 : number + 1] = reversed(all_lines[number - 1 : number + 1])
        write_lines(folder, all_lines)
        [(kind, line, seq)] = flaws(folder)
        assert kind is FlawKind.REORDERED
        assert (line, seq) in ((number, number + 1), (number + 1, number))


@many
@given(number=numbers, place=st.integers(0, RECORDS))
def test_a_record_that_stands_twice_is_named(whole: Path, number: int, place: int) -> None:
    with copied(whole) as folder:
        all_lines = lines(whole)
        all_lines.insert(place, all_lines[number - 1])
        write_lines(folder, all_lines)
        [(kind, line, seq)] = flaws(folder)
        assert (kind, seq) == (FlawKind.INSERTED, number)
        assert line in {place + 1, number, number + 1}, "the copy, or the one that is behind it"


@many
@given(place=st.integers(0, RECORDS), line=st.binary(max_size=40).filter(lambda line: b"\n" not in line))
def test_a_line_that_is_no_record_is_named(whole: Path, place: int, line: bytes) -> None:
    with copied(whole) as folder:
        write_lines(folder, [*lines(whole)[:place], line, *lines(whole)[place:]])
        assert flaws(folder) == [(FlawKind.INSERTED, place + 1, None)]


@pytest.mark.parametrize("number", range(1, RECORDS + 1))
def test_who_has_no_key_cannot_write_a_record_anew(whole: Path, number: int) -> None:
    for key in (None, Secret("some other key, of somebody else")):
        with copied(whole) as folder, tempfile.TemporaryDirectory() as elsewhere:
            forger = trail(Path(elsewhere) / "audit", key=key)
            for made in range(RECORDS):
                forger.append([event(made, user="somebody else")])
            forged = lines(Path(elsewhere) / "audit")[number - 1]
            write_lines(folder, [*lines(whole)[: number - 1], forged, *lines(whole)[number:]])
            assert flaws(folder) == [(FlawKind.CHANGED, number, number)]


def test_without_a_key_a_record_that_is_written_anew_shows_behind_it(tmp_path: Path) -> None:
    written = trail(tmp_path / "audit", key=None)
    written.append([event(number) for number in range(4)])
    all_lines = lines(tmp_path / "audit")
    for number in range(1, 5):
        body = all_lines[number - 1].rpartition(b',"hash"')[0].replace(b"user-", b"eve--")
        forged = body + f',"hash":"{hashlib.sha256(body).hexdigest()}"}}'.encode()
        write_lines(tmp_path / "audit", [*all_lines[: number - 1], forged, *all_lines[number:]])
        [(kind, line, seq)] = flaws(tmp_path / "audit", None)
        assert kind is FlawKind.RELINKED
        assert (line, seq) == ((number + 1, number + 1) if number < 4 else (0, 4)), "the note of the end knows the last"


@many
@given(cut=st.integers(2, 10_000))
def test_a_trail_that_is_cut_off_shows_by_the_note_of_its_end(whole: Path, cut: int) -> None:
    with copied(whole) as folder:
        [file] = folder.glob("audit-*.jsonl")
        data = file.read_bytes()
        file.write_bytes(data[: max(0, len(data) - cut)])
        left = lines(folder)
        found = check(folder).flaws
        assert [(flaw.kind, flaw.seq) for flaw in found] == [(FlawKind.REMOVED, len(left) + 1)]


def test_a_trail_that_is_cut_off_with_its_note_shows_by_a_head_that_was_kept_elsewhere(whole: Path) -> None:
    head = check(whole)
    kept = {head.last_seq: head.last_hash}
    with copied(whole) as folder:
        write_lines(folder, lines(whole)[:-2])
        (folder / "head.json").unlink()
        assert check(folder).flaws == [], "nothing in the folder tells"
        [flaw] = check(folder, heads=kept).flaws
        assert (flaw.kind, flaw.seq) == (FlawKind.REMOVED, RECORDS - 1)
        anew = trail(folder)
        anew.append([event(8), event(9)])
        [flaw] = check(folder, heads=kept).flaws
        assert (flaw.kind, flaw.seq) == (FlawKind.RELINKED, RECORDS)


def test_records_that_are_gone_leave_their_numbers_and_the_trail_says_so(whole: Path) -> None:
    with copied(whole) as folder:
        write_lines(folder, lines(whole)[:-2])
        trail(folder).append([event(9)])
        [flaw] = check(folder).flaws
        assert (flaw.kind, flaw.seq) == (FlawKind.REMOVED, RECORDS - 1)
        assert json.loads(lines(folder)[-2])["event"]["details"] == {"trail": "lost", "first": "5", "last": "6"}


def test_a_file_that_is_gone_from_the_middle_is_named(tmp_path: Path) -> None:
    written = trail(tmp_path / "audit", file_bytes=1)
    for number in range(4):
        written.append([event(number)])
    files = sorted((tmp_path / "audit").glob("audit-*.jsonl"))
    assert len(files) == 4
    files[1].unlink()
    [flaw] = check(tmp_path / "audit").flaws
    assert (flaw.kind, flaw.seq, flaw.file) == (FlawKind.REMOVED, 2, files[2].name)


def test_a_trail_that_got_its_key_later_says_from_which_record_on(tmp_path: Path) -> None:
    from dicom_common.audit import Keys, TrailFolder, verify  # noqa: PLC0415

    trail(tmp_path / "audit", key=None).append([event(1), event(2)])
    trail(tmp_path / "audit").append([event(3)])
    assert [flaw.seq for flaw in check(tmp_path / "audit").flaws] == [1, 2]
    assert verify(TrailFolder(tmp_path / "audit"), Keys(KEY, keyed_since=3)).flaws == []


def test_after_a_change_of_keys_the_former_key_verifies_older_records(tmp_path: Path) -> None:
    from dicom_common.audit import Keys, TrailFolder, verify  # noqa: PLC0415

    new = Secret("the key of another year")
    trail(tmp_path / "audit").append([event(1)])
    trail(tmp_path / "audit", key=new, former_keys=(KEY,)).append([event(2)])
    assert verify(TrailFolder(tmp_path / "audit"), Keys(new, (KEY,))).flaws == []
    [flaw] = verify(TrailFolder(tmp_path / "audit"), Keys(new)).flaws
    assert flaw.seq == 1
    assert "audit.former_keys" in flaw.detail
