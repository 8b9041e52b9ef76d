"""`dicom-common ingest`: what is stored, what is refused, and what it says of both."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_command import HANG, Answer, Installation

KEYS = ["path", "status", "sop_instance_uid", "key", "reason", "message", "warnings"]


def test_json_tells_of_each_file_what_became_of_it(new: Installation, samples: Path, tmp_path: Path) -> None:
    good, wrong = samples / "CT_small.dcm", samples / "README.txt"

    answer = new("ingest", "--json", good, wrong)

    assert answer.code == 1
    assert [list(line) for line in answer.lines] == [KEYS, KEYS]
    stored, rejected = answer.lines
    uid = "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
    assert (stored["path"], stored["status"], stored["sop_instance_uid"]) == (str(good), "stored", uid)
    assert (tmp_path / "data" / "objects" / stored["key"]).read_bytes() == good.read_bytes()
    assert (rejected["path"], rejected["status"], rejected["reason"]) == (str(wrong), "rejected", "not-dicom")
    assert (rejected["sop_instance_uid"], rejected["key"]) == (None, None)


def test_json_tells_the_warnings_of_an_instance(new: Installation, samples: Path) -> None:
    answer = new("ingest", "--json", samples / "ExplVR_BigEnd.dcm")

    [line] = answer.lines
    assert line["status"] == "stored"
    assert line["warnings"]
    assert all(list(warning) == ["tag", "rule", "action"] for warning in line["warnings"])


def test_a_second_run_finds_everything_there_already(own: Installation, patient_folder: Path) -> None:
    answer = own("ingest", "--json", patient_folder)

    assert answer.code == 0
    assert Counter(line["status"] for line in answer.lines) == {"duplicate": 7}


def test_the_summary_counts_and_the_refused_are_named(new: Installation, samples: Path) -> None:
    answer = new("ingest", samples / "CT_small.dcm", samples / "README.txt", samples / "rtplan.dump")

    assert answer.code == 1
    lines = answer.out.splitlines()
    assert lines[-1] == "3 files: 1 stored, 2 rejected (2 not-dicom)"
    assert [line.partition(":")[0] for line in lines[:-1]] == [
        f"rejected {samples / name}" for name in ("README.txt", "rtplan.dump")
    ]


def test_other_bytes_under_a_known_uid_follow_the_option(own: Installation, samples: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.dcm"
    # The last byte of the pixel data differs.
    content = bytearray((samples / "CT_small.dcm").read_bytes())
    content[-200] ^= 1
    changed.write_bytes(content)

    for policy, status, code in (("reject", "rejected", 1), ("replace", "replaced", 0)):
        answer = own("ingest", "--json", "--duplicates", policy, changed)

        assert answer.code == code
        assert [line["status"] for line in answer.lines] == [status]


def test_tenants_do_not_see_each_other(own: Installation, samples: Path) -> None:
    assert own("ingest", "--tenant", "clinic-b", samples / "MR_small.dcm").code == 0

    assert [line["Modality"] for line in own("find", "--tenant", "clinic-b", "--level", "series", "--json").lines] == [
        "MR"
    ]
    assert "MR" not in own("--tenant", "local", "find", "--level", "series").out


def test_two_worker_processes_store_the_same_as_one(new: Installation, samples: Path, tmp_path: Path) -> None:
    other = Installation(tmp_path / "other")

    ours = new("ingest", "--json", "--jobs", "2", samples)
    theirs = other("ingest", "--json", "--jobs", "1", samples)

    assert ours.code == theirs.code == 1
    count = Counter((line["path"], line["status"] != "rejected") for line in ours.lines)
    uids = {line["sop_instance_uid"] for line in ours.lines if line["status"] == "stored"}
    assert sum(count.values()) == len(theirs.lines) == len(count)
    assert uids == {line["sop_instance_uid"] for line in theirs.lines if line["status"] == "stored"}
    assert len(uids) > 100


def test_the_events_are_published_when_it_ends(filled: Installation) -> None:
    answer = filled("relay", "--once")

    assert answer.code == 0
    assert answer.out == "0 events published, 0 wait\n"
    assert len(filled("events", "dicom_image_queue").lines) == 8


def test_a_folder_without_files_is_said(new: Installation, tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    (tmp_path / "empty" / ".hidden").write_text("passed over")

    new("ingest", tmp_path / "empty").fails_with_one_line("There are no files in", "empty")


def test_a_path_that_is_not_there_is_said_before_anything_is_stored(new: Installation, samples: Path) -> None:
    new("ingest", samples / "CT_small.dcm", "/nowhere").fails_with_one_line("/nowhere", "does not exist")
    assert not new.data.exists()


def test_a_tenant_that_is_none_is_said(new: Installation, samples: Path) -> None:
    new("ingest", "--tenant", "../other", samples / "CT_small.dcm").fails_with_one_line("is not a tenant id")
    assert not (new.data / "objects").exists()


def test_a_data_folder_that_is_a_file_is_said(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "data").write_text("in the way")

    Installation(tmp_path / "data")("ingest", samples / "CT_small.dcm").fails_with_one_line(str(tmp_path / "data"))


def test_a_file_name_with_terminal_commands_is_printed_escaped(new: Installation, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a\x1b[2J\n\x9b1m.dcm").write_text("no DICOM")

    answer = new("ingest", tmp_path / "in")
    as_json = new("ingest", "--json", tmp_path / "in")

    assert r"a\x1b[2J\n\x9b1m.dcm" in answer.out
    assert not {"\x1b", "\x9b"} & set(answer.out + as_json.out)
    assert as_json.lines[0]["path"].endswith("a\x1b[2J\n\x9b1m.dcm")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that three megabytes fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_loses_nothing_and_the_next_run_goes_on(small_disk: Path, samples: Path) -> None:
    there = Installation(small_disk / "data", {"DICOM_COMMON_INGEST__RETRY_TIMEOUT": "0.5"})

    answer = there("ingest", "--json", samples)
    assert answer.code == 2
    assert "Waiting for it, for up to 0.5 s (ingest.retry_timeout)" in answer.err
    assert "though nothing is wrong with them" in answer.err
    safe = {line["sop_instance_uid"] for line in answer.lines if line["status"] in ("stored", "duplicate")}

    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    assert {line["SOPInstanceUID"] for line in there("find", "--level", "instance", "--json").lines} >= safe
    again = there("ingest", "--json", samples)
    assert again.code == 1
    assert {line["status"] for line in again.lines if line["sop_instance_uid"] in safe} <= {"duplicate", "rejected"}
    assert there("reconcile", "--repair").code == 0


def test_a_file_size_limit_is_a_backend_that_is_not_available(
    new: Installation, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_COMMON_INGEST__RETRY_TIMEOUT", "0")
    limited = ["bash", "-c", 'ulimit -f 400; exec "$@"', "bash"]
    answer = subprocess.run(
        [*limited, *new.words, "ingest", "--json", str(samples)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )

    assert answer.returncode == 2
    assert "though nothing is wrong with them" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.kills
@pytest.mark.parametrize("after", ["the start", "the first answer"])
def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(
    new: Installation, samples: Path, tmp_path: Path, after: str
) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("w") as answers, err.open("w") as errors:
        process = new.start("ingest", "--json", "--jobs", "2", samples, stdout=answers, stderr=errors)
        while process.poll() is None and not (new.data.exists() if after == "the start" else out.stat().st_size):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        answered = Answer(process.wait(HANG), "", "")
    answered.out, answered.err = out.read_text(), err.read_text()

    assert answered.code == 130, answered
    assert "Traceback" not in answered.err
    again = new("ingest", "--json", samples)
    assert again.code == 1
    status = {line["path"]: line["status"] for line in again.lines}
    assert all(status[line["path"]] == "duplicate" for line in answered.lines if line["status"] == "stored")


def test_a_reader_that_closes_the_pipe_ends_it_quietly(new: Installation, samples: Path) -> None:
    process = new.start("ingest", "--json", samples, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()

    assert process.wait(HANG) in (1, 2)
    assert "Broken" not in errors
    assert "Traceback" not in errors


def test_no_arguments_are_a_usage_error(command: Callable[..., Answer]) -> None:
    command("ingest").fails_with_one_line("Missing argument", "dicom-common ingest --help")
