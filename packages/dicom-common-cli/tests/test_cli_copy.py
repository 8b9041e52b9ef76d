"""`copy`: from one storage to another, killed in between, and the index switched over."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_command import COMMAND, Answer, environment

CONFIG = """
data = "data"

[storages.other]
backend = "filesystem"
root = "elsewhere"
"""


@pytest.fixture
def site(command: Callable[..., Answer], tmp_path: Path, patient_folder: Path, samples: Path) -> Callable[..., Answer]:
    """The command of an installation of eight instances with a second storage."""
    (tmp_path / "dicom-common.toml").write_text(CONFIG)
    assert command("ingest", patient_folder, samples / "CT_small.dcm").code == 0
    return command


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dcm")}


def test_a_copy_is_complete_and_the_index_can_be_switched_over(site: Callable[..., Answer], tmp_path: Path) -> None:
    assert site("copy", "--check-index", "--to", "other").code == 1
    dry = site("copy", "--from", "storage", "--to", "other", "--dry-run")
    assert (dry.code, dry.out.splitlines()[-1]) == (0, "8 objects: 8 missing")

    assert site("copy", "--from", "storage", "--to", "storages.other", "--json").lines[-1]["statuses"] == {"copied": 8}
    assert site("copy", "--from", "storage", "--to", "other", "--json").lines[-1]["statuses"] == {"present": 8}
    assert site("copy", "--check-index", "--to", "other", "--verify").code == 0
    assert _files(tmp_path / "data" / "elsewhere") == _files(tmp_path / "data" / "objects")

    (tmp_path / "dicom-common.toml").write_text(CONFIG.replace("storages.other", "storage"))
    assert site("reconcile", "--json").lines[-1]["differences"] == {}


def test_what_is_amiss_is_told_with_its_reason(site: Callable[..., Answer], tmp_path: Path) -> None:
    source, target = tmp_path / "data" / "objects", tmp_path / "data" / "elsewhere"
    first, second, *_ = sorted(_files(source))
    (source / first).chmod(0o600)
    (source / first).write_bytes(bytes((source / first).stat().st_size))

    answer = site("copy", "--to", "other")

    assert answer.code == 1
    assert f"failed {first}: " in answer.out
    assert "[source-damaged]" in answer.out
    assert len(_files(target)) == 7
    (target / second).chmod(0o600)
    (target / second).write_bytes(b"short")
    (target / "local" / "more.dcm").write_bytes(b"of nobody")
    lines = {line["key"]: line for line in site("copy", "--to", "other", "--json").lines[:-1]}
    assert {key: (line["status"], line["reason"]) for key, line in lines.items()} == {
        first: ("failed", "source-damaged"),
        second: ("different", "other-bytes"),
        "local/more.dcm": ("extra", ""),
    }
    check = site("copy", "--check-index", "--to", "other", "--json")
    assert {line["key"]: line["status"] for line in check.lines[:-1]} == {first: "missing", second: "different"}
    site("copy", "--to", "other", "--overwrite", "--delete-extra")
    assert sorted(_files(target)) == sorted(set(_files(source)) - {first})
    assert (target / second).read_bytes() == (source / second).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "storage"), "name the same storage"),
        (("--to", "othr"), "Did you mean 'other'"),
        (("--from", "nowhere", "--to", "other"), "[storages.nowhere]"),
        (("--to", "other", "--tenant", "NOT ONE"), "tenant"),
        ((), "--to"),
    ],
)
def test_what_cannot_be_copied_is_one_line(site: Callable[..., Answer], arguments: tuple[str, ...], words: str) -> None:
    site("copy", *arguments).fails_with_one_line(words)


@pytest.mark.parametrize("root", ["objects", "objects/below", "."])
def test_a_copy_into_itself_is_refused(site: Callable[..., Answer], tmp_path: Path, root: str) -> None:
    (tmp_path / "dicom-common.toml").write_text(CONFIG.replace("elsewhere", root))

    site("copy", "--to", "other").fails_with_one_line("a place of its own")


def test_a_tenant_is_copied_alone(site: Callable[..., Answer], tmp_path: Path, samples: Path) -> None:
    assert site("ingest", samples / "MR_small.dcm", "--tenant", "ward").code == 0

    assert site("copy", "--to", "other", "--tenant", "ward", "--json").lines[-1]["statuses"] == {"copied": 1}
    assert {name.split("/")[0] for name in _files(tmp_path / "data" / "elsewhere")} == {"ward"}


def test_config_and_check_show_the_further_storage(site: Callable[..., Answer], tmp_path: Path) -> None:
    explained = {line["key"]: line for line in site("config", "explain", "--json").lines}
    assert explained["storages.other.backend"]["value"] == "filesystem"
    assert explained["storages.other.root"]["origin"] == str(tmp_path / "dicom-common.toml")
    assert "[storages.other]" in site("config", "show").out
    assert {line["kind"]: line["status"] for line in site("check", "--json").lines}["storages.other"] == "ok"
    (tmp_path / "dicom-common.toml").write_text(CONFIG + "rooot = 1\n")
    site("config", "explain").fails_with_one_line("storages.other.rooot", "Did you mean 'root'")


@pytest.mark.kills
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_copy_that_is_ended_is_completed_by_the_next(
    how: signal.Signals, command: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "dicom-common.toml").write_text(CONFIG)
    source, target = tmp_path / "data" / "objects", tmp_path / "data" / "elsewhere"
    for number in range(800):
        path = source / "local" / "20240101" / str(number % 20) / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(10_000))
    process = subprocess.Popen(
        [*COMMAND, "copy", "--to", "other", "--json", "--in-flight", "2"],
        cwd=tmp_path,
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for _ in itertools.islice(process.stdout, 50):
        pass
    time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}[how]
    there = _files(target)
    assert 50 <= len(there) < 800
    assert there.items() <= _files(source).items(), "what is there is whole"

    again = command("copy", "--to", "other", "--json")

    assert again.code == 0
    assert again.lines[-1]["statuses"] == {"copied": 800 - len(there), "present": len(there)}
    assert _files(target) == _files(source)


def test_a_further_storage_whose_plugin_is_not_there_is_named(site: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "dicom-common.toml"
    file.write_text(f'{file.read_text()}\n[storages.cloud]\nbackend = "never-installed"\n')

    site("config", "explain").fails_with_one_line("never-installed")
