"""Appending: durable, by many at once, whatever dies when."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from audit_site import CANARY, check, event, events_of, lines, trail, write_lines

from dicom_common.core import AuditedStudy, UnavailableError

HANG = 60
WRITER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from audit_site import event, trail
written = trail(Path({folder!r}))
for number in range({count}):
    told = event(number, request_id=f"{name}-{{number}}")
    written.append([told])
    print(told.request_id, flush=True)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    program = WRITER.format(tests=str(Path(__file__).parent), folder=str(folder), count=count, name=name)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_eight_processes_at_once_make_one_chain(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    processes = [writer(folder, f"p{number}", 25) for number in range(8)]
    told = [process.communicate(timeout=HANG)[0].split() for process in processes]
    assert [len(one) for one in told] == [25] * 8
    found = check(folder)
    assert (found.flaws, found.notes, found.records) == ([], [], 200)
    written = [fields["request_id"] for fields in events_of(folder)]
    assert sorted(written) == sorted(name for one in told for name in one)
    for one in told:
        assert [name for name in written if name in one] == one, "the events of a process keep their order"


def test_threads_that_append_at_once_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, syncs, fdatasync, all_wait = trail(tmp_path / "audit"), [], os.fdatasync, threading.Event()

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        all_wait.wait(HANG)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)  # the system's, not ours: it stands for a slow disk
    threads = [threading.Thread(target=written.append, args=([event(number)],)) for number in range(40)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)  # the last ones come to their record; one that does not has a sync of its own
    all_wait.set()
    for thread in threads:
        thread.join(HANG)
    assert check(tmp_path / "audit").records == 40
    assert len(syncs) < 20, "most of them found their record written by another"


@pytest.mark.kills
def test_what_was_acknowledged_is_there_after_any_number_of_kills(tmp_path: Path) -> None:
    folder, acknowledged = tmp_path / "audit", []
    for round_ in range(6):
        process = writer(folder, f"r{round_}", 100_000)
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().strip() for _ in range(5 + 7 * round_)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.communicate(timeout=HANG)[0].split("\n")[:-1]
    found = check(folder)
    assert found.flaws == []
    written = [fields.get("request_id") for fields in events_of(folder)]
    assert set(acknowledged) <= set(written)
    assert len(written) == len(set(written))


@pytest.mark.parametrize("part", [1, 40, -40, -2])
def test_a_record_that_was_never_finished_is_kept_and_told_and_no_tampering(tmp_path: Path, part: int) -> None:
    folder = tmp_path / "audit"
    trail(folder).append([event(0), event(1)])
    [file] = folder.glob("audit-*.jsonl")
    third = trail(tmp_path / "other")
    third.append([event(number) for number in range(3)])
    with file.open("ab") as stream:  # as a write that the loss of power broke off: the note of the end is older
        stream.write(lines(tmp_path / "other")[2][:part])
    found = check(folder)
    assert (found.flaws, len(found.notes), found.records) == ([], 1, 2)

    trail(folder).append([event(3)])

    found = check(folder)
    assert (found.flaws, len(found.notes), found.records) == ([], 1, 4)
    healed, last = [json.loads(line)["event"] for line in lines(folder)[-2:]]
    assert healed["details"]["trail"] == "healed"
    assert last["user"] == "user-3@host"


def test_a_part_of_an_acknowledged_record_is_no_torn_write(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    trail(folder).append([event(0), event(1)])
    [file] = folder.glob("audit-*.jsonl")
    os.truncate(file, file.stat().st_size - 30)
    assert [flaw.seq for flaw in check(folder).flaws] == [2]
    trail(folder).append([event(3)])
    assert [flaw.seq for flaw in check(folder).flaws] == [2]


@pytest.mark.parametrize("note", [None, b"", b"{}", b"[1]", b'{"seq":"x","hash":1,"file":"","size":0}', b"\xff"])
def test_without_a_note_of_its_end_the_trail_goes_on_where_it_ends(tmp_path: Path, note: bytes | None) -> None:
    folder = tmp_path / "audit"
    trail(folder, file_bytes=1).append([event(0)])
    trail(folder, file_bytes=1).append([event(1)])
    (folder / "head.json").unlink()
    if note is not None:
        (folder / "head.json").write_bytes(note)
    trail(folder).append([event(2)])
    found = check(folder)
    assert (found.flaws, found.records, found.last_seq) == ([], 3, 3)


def test_files_are_for_their_owner_only_and_grow_to_a_size(tmp_path: Path) -> None:
    written = trail(tmp_path / "audit", file_bytes=4000)
    old = os.umask(0)
    try:
        for number in range(12):
            written.append([event(number)])
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
    files = list((tmp_path / "audit").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len(list((tmp_path / "audit").glob("audit-*.jsonl"))) > 2
    assert check(tmp_path / "audit").records == 12


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    written = trail(tmp_path / "audit")
    written.append([event(0)])
    [file] = (tmp_path / "audit").glob("audit-*.jsonl")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    with pytest.raises(UnavailableError, match="audit trail"):
        written.append([event(1)])
    assert (tmp_path / "elsewhere").read_bytes() == before


def test_a_trail_that_cannot_be_written_is_an_error_and_stays_as_it_was(tmp_path: Path) -> None:
    written = trail(tmp_path / "audit")
    written.append([event(0)])
    before = lines(tmp_path / "audit")
    (tmp_path / "audit").rename(tmp_path / "hidden")
    (tmp_path / "audit").write_text("in the way")
    assert "cannot be written" in (written.refusal() or "")
    with pytest.raises(UnavailableError) as caught:
        written.append([event(1)])
    assert CANARY not in str(caught.value)
    (tmp_path / "audit").unlink()
    (tmp_path / "hidden").rename(tmp_path / "audit")
    assert lines(tmp_path / "audit") == before
    assert written.refusal() is None
    written.append([event(2)])
    assert check(tmp_path / "audit").records == 2


def test_a_disk_that_is_full_refuses_before_anything_is_done(tmp_path: Path) -> None:
    assert "full" in (trail(tmp_path / "audit", free_bytes=1 << 60).refusal() or "")


def test_an_event_that_cannot_be_written_does_not_take_others_along(tmp_path: Path) -> None:
    written = trail(tmp_path / "audit")
    with pytest.raises(TypeError):
        written.append([event(0, studies=(AuditedStudy(study_uid="1.2", sop_classes={"1.9": object()}),))])  # type: ignore[dict-item]  # a caller's mistake
    written.append([event(1)])
    assert check(tmp_path / "audit").records == 1


def test_a_changed_record_is_built_upon_and_still_named(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    trail(folder).append([event(0), event(1)])
    write_lines(folder, [line.replace(b"user-1", b"user-XX") for line in lines(folder)])
    trail(folder).append([event(2)])
    assert [(flaw.kind, flaw.seq) for flaw in check(folder).flaws] == [("changed", 2)]
