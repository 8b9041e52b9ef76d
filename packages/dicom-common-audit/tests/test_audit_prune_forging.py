"""What somebody does who wants a removal to pass for a prune. He has the files, and not the key."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_site import KEY, check, event, trail

from dicom_common.audit import FlawKind, Trail
from dicom_common.audit._chain import Record, parse
from dicom_common.audit._prune import prunable, prune
from dicom_common.audit._statements import Pruned, pruned_in
from dicom_common.core import AuditEvent, AuditKind, AuditOutcome, Secret

BEFORE = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
WHO = {"user": "ada@clinic", "address": "host", "request_id": "1"}
GONE = (FlawKind.REMOVED, 1)
"""The first records are missing, and nothing excuses it."""


def written(folder: Path, records: int = 6, key: Secret | None = KEY) -> Trail:
    """A trail with each record in a file of its own; the first three are from before the moment."""
    made = trail(folder, key=key, file_bytes=1, publish=False)
    for number in range(records):
        made.append([event(number)])
    return made


@pytest.fixture
def mine(tmp_path: Path) -> Trail:
    return written(tmp_path / "audit")


def files(made: Trail) -> list[Path]:
    return [made.folder.path / name for name in made.folder.files()]


def record_of(made: Trail, number: int) -> Record:
    """The record in a file, which has no other."""
    record = parse(files(made)[number - 1].read_bytes().removesuffix(b"\n"))
    assert record is not None
    return record


def flaws(made: Trail) -> list[tuple[FlawKind, int | None]]:
    return [(flaw.kind, flaw.seq) for flaw in check(made.folder.path).flaws]


def pruned(made: Trail) -> None:
    found, last = prunable(made, BEFORE)
    assert last is not None
    prune(made, found, last, **WHO)


def marker(last: Record, **changes: Any) -> AuditEvent:
    """The event of a prune, or one that looks like it."""
    details = Pruned(last.seq, last.hash).details() | changes.pop("details", {})
    details = {name: text for name, text in details.items() if text is not None}
    return AuditEvent(**({"kind": AuditKind.SECURITY_CHANGED, "details": details} | WHO | changes))


def without_first(made: Trail, number: int = 3) -> None:
    for path in files(made)[:number]:
        path.unlink()


def test_the_true_event_is_believed(mine: Trail) -> None:
    mine.append([marker(record_of(mine, 3))])
    without_first(mine)
    assert flaws(mine) == []


@pytest.mark.parametrize(
    "changes",
    [
        *({"kind": kind} for kind in AuditKind if kind is not AuditKind.SECURITY_CHANGED),
        {"outcome": AuditOutcome.MINOR_FAILURE},
        {"details": {"hash": None}},
        {"details": {"hash": "0" * 64}},
        {"details": {"hash": "x"}},
        {"details": {"command": None}},
        {"details": {"command": "find"}},
        {"details": {"trail": "prune"}},
        {"details": {"more": "x"}},
        {"details": {"through": "03"}},
        {"details": {"through": "6"}},
        {"details": {"through": "7"}},
        {"details": {"through": "999999999999999999"}},
        {"details": {"through": "9" * 5_000}},
        {"details": {"through": "٣"}},
        {"details": {"through": "-1"}},
        {"details": {"through": "2"}},
    ],
    ids=str,
)
def test_what_only_looks_like_a_prune_excuses_nothing(mine: Trail, changes: dict[str, Any]) -> None:
    # Even with the key: some front end may put what a stranger says into the details of its events.
    mine.append([marker(record_of(mine, 3), **changes)])
    without_first(mine)
    told = "2" if changes.get("details") == {"through": "2"} else None
    assert flaws(mine) == ([(FlawKind.REMOVED, 3)] if told else [GONE])


def test_without_any_record_of_a_prune_a_removal_is_one(mine: Trail) -> None:
    without_first(mine)
    assert flaws(mine) == [GONE]


def relabeled(made: Trail, number: int) -> None:
    """Write a record anew as that of a prune, with the hash that it had."""
    path = files(made)[number - 1]
    record = json.loads(path.read_bytes())
    last = record_of(made, 3)
    record["event"] |= {"kind": "security-changed", "outcome": 0, "details": Pruned(last.seq, last.hash).details()}
    path.write_bytes(json.dumps(record, separators=(",", ":")).encode() + b"\n")


def inserted(made: Trail, number: int) -> None:
    """Put a record behind another, chained without a key or with a key of one's own."""
    forger = trail(made.folder.path.with_name("forged"), key=Secret("a key of the forger only"), publish=False)
    forger.append([marker(record_of(made, 3))])
    path = files(made)[number - 1]
    path.write_bytes(path.read_bytes() + files(forger)[0].read_bytes())


@pytest.mark.parametrize("forge", [relabeled, inserted])
@pytest.mark.parametrize("number", [4, 5, 6])
def test_a_record_that_was_made_into_a_prune_is_a_flaw_and_excuses_nothing(
    mine: Trail, forge: Callable[[Trail, int], None], number: int
) -> None:
    forge(mine, number)
    without_first(mine)
    kinds = {kind for kind, _ in flaws(mine)}
    assert kinds & {FlawKind.CHANGED, FlawKind.INSERTED}
    assert FlawKind.REMOVED in kinds


@pytest.mark.parametrize("to", [3, 5])
def test_a_marker_that_was_moved_shows_and_excuses_nothing(mine: Trail, to: int) -> None:
    pruned(mine)
    *others, last = files(mine)
    moved = last.read_bytes()
    last.unlink()
    target = others[to - 3] if to - 3 < len(others) else others[-1]
    target.write_bytes(moved + target.read_bytes())
    found = flaws(mine)
    assert FlawKind.REORDERED in {kind for kind, _ in found}
    assert GONE in found


def test_a_marker_of_another_trail_with_the_same_key_excuses_nothing(mine: Trail, tmp_path: Path) -> None:
    other = written(tmp_path / "other", 8)
    pruned(other)  # it is record 9 there
    foreign = files(other)[-1].read_bytes()
    for number in range(6, 10):
        mine.append([event(number)])
    files(mine)[8].write_bytes(foreign)
    without_first(mine)
    found = flaws(mine)
    assert (FlawKind.RELINKED, 9) in found
    assert GONE in found


@pytest.mark.parametrize("more", [1, 2])
def test_files_that_go_behind_a_prune_show(mine: Trail, more: int) -> None:
    pruned(mine)
    without_first(mine, more)
    assert flaws(mine) == [(FlawKind.REMOVED, 4)]


def test_a_prune_that_was_done_twice_or_by_two_at_once_is_no_flaw(mine: Trail) -> None:
    found, last = prunable(mine, BEFORE)
    assert last is not None
    for _ in range(2):
        prune(mine, found, last, **WHO)
    assert flaws(mine) == []


def test_of_several_prunes_the_last_that_fits_counts(mine: Trail) -> None:
    pruned(mine)
    mine.append([event(20)])
    found, last = prunable(mine, BEFORE + timedelta(minutes=2))
    assert last is not None
    assert last.seq == 5
    prune(mine, [], last, **WHO)  # killed before it deleted anything
    assert flaws(mine) == []
    prune(mine, found[:1], last, **WHO)
    assert flaws(mine) == []
    changed = files(mine)[0]  # record 5, by whose hash alone a prune that was interrupted is believed
    changed.write_bytes(changed.read_bytes().replace(b"user-4", b"user-x"))
    assert {kind for kind, _ in flaws(mine)} == {FlawKind.CHANGED, FlawKind.REMOVED}


def test_a_pruned_file_that_is_put_back_in_part_shows(mine: Trail, tmp_path: Path) -> None:
    shutil.copytree(mine.folder.path, tmp_path / "backup")
    pruned(mine)
    second = sorted((tmp_path / "backup").glob("audit-*"))[1]
    shutil.copy(second, mine.folder.path)
    found = flaws(mine)
    assert FlawKind.REMOVED in {kind for kind, _ in found}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"x" + data[1:],
        lambda data: data.replace(b'"seq"', b'"sep"'),
        lambda data: data[:-1],
        lambda data: data[:50] + b"\n",
        lambda data: data + b"garbage\n",
        lambda data: data + data,
        lambda data: b"\n" + data,
    ],
    ids=["another begin", "another name", "no newline and another", "cut", "more", "twice", "an empty line"],
)
def test_a_file_with_what_is_no_record_is_not_pruned(mine: Trail, spoil: Callable[[bytes], bytes]) -> None:
    # An operator would delete, on purpose, what somebody has hidden there; and with it that it was hidden.
    path = files(mine)[1]
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    if path.read_bytes() == whole[:-1]:
        path.write_bytes(whole[:-1] + whole)
    found, last = prunable(mine, BEFORE)
    assert last is not None
    assert (len(found), last.seq) == (1, 1)


def test_a_record_out_of_order_is_not_the_end_of_a_prune(mine: Trail) -> None:
    first, second = files(mine)[:2]
    second.write_bytes(second.read_bytes() + first.read_bytes())
    found, _ = prunable(mine, BEFORE)
    assert [mine.folder.path / name for name in found] == [first]


def test_a_line_that_was_torn_by_a_crash_does_not_stop_a_prune(tmp_path: Path) -> None:
    made = trail(tmp_path / "audit", publish=False)
    made.append([event(0)])
    [path] = files(made)
    path.write_bytes(path.read_bytes() + path.read_bytes()[:80])  # its writer was killed
    made.append([event(1)])
    trail(tmp_path / "audit", publish=False, file_bytes=1).append([event(2)])
    assert flaws(made) == []
    found, last = prunable(made, datetime.now(UTC) + timedelta(days=1))
    assert last is not None
    assert (len(found), last.seq) == (1, 3)


@pytest.mark.parametrize("kind", [kind for kind in AuditKind if kind is not AuditKind.SECURITY_ALERT])
def test_a_torn_line_is_excused_by_the_event_of_the_trail_only(mine: Trail, kind: AuditKind) -> None:
    from dicom_common.audit._statements import healed_event  # noqa: PLC0415

    path = files(mine)[-1]
    path.write_bytes(path.read_bytes() + b"garbage\n")
    (mine.folder.path / "head.json").unlink()
    mine.append([dataclasses.replace(healed_event(b"garbage"), kind=kind)])
    assert [found for found, _ in flaws(mine)] == [FlawKind.INSERTED]


@pytest.mark.parametrize(
    "note",
    [
        b"[" * 100_000,
        b'{"seq":' + b"9" * 5_000 + b"}",
        b'{"seq": 1e999}',
        b'{"seq": -4, "hash": "%s", "file": "", "size": 0}' % (b"0" * 64),
        b'{"seq": 1000000000000000000000, "hash": "%s", "file": "", "size": 0}' % (b"0" * 64),
        b'{"seq": 9, "hash": "\\" no hash", "file": "", "size": 0}',
        b"\xff",
    ],
    ids=range(7),
)
def test_a_note_of_the_end_that_cannot_be_one_harms_no_record(mine: Trail, note: bytes) -> None:
    for name in ("head.json", "published.json"):
        (mine.folder.path / name).write_bytes(note)
    assert flaws(mine) == []
    mine.append([event(7)])
    assert flaws(mine) == []
    assert check(mine.folder.path).last_seq == 7


@pytest.mark.parametrize("text", [b"[" * 100_000, b'"pruned' + b'{"a":' * 20_000, b"9" * 5_000, b'"pruned"NaN'])
def test_a_record_that_nests_deep_is_a_record_of_nothing(tmp_path: Path, text: bytes) -> None:
    made = trail(tmp_path / "audit", key=None, publish=False)
    made.append([event(0)])
    line, _ = made.keys.seal(2, record_of(made, 1).hash, b'"event":{"pruned":' + text)
    [path] = files(made)
    path.write_bytes(path.read_bytes() + line)
    record = parse(line.removesuffix(b"\n"))
    assert record is not None
    assert pruned_in(record) is None
    assert check(made.folder.path, None).records == 2
    assert prunable(made, datetime.now(UTC)) == ([], None)
