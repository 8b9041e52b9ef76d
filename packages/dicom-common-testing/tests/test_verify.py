"""`dicom-common verify` runs the contract of a live backend, and leaves it as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.testing import Endpoint, make_entry, run_command

pytest_plugins = ["pytester"]

FAULTY = """
from dataclasses import dataclass
from dicom_common.core import Backend, hookimpl
from faulty_backends import FolderStorage

@dataclass(frozen=True, kw_only=True)
class Settings:
    folder: str = "objects"

class Forgetful(FolderStorage):
    def delete(self, key):
        self.file(key)
        if "never" not in key:
            super().delete(key)
        else:
            raise RuntimeError("it is not there")

@hookimpl
def dicom_common_storage():
    return Backend("forgetful", Settings, lambda settings: Forgetful(settings.folder))
"""

PICKY = """
from dicom_common.core import Backend, RefusedError, hookimpl
from dicom_common.storage.filesystem import FilesystemStorage, Settings

class Picky(FilesystemStorage):
    pass

def picky(method):
    def asked(self, key, *arguments, **named):
        if key.endswith(".."):
            raise RefusedError("dots are cut")
        return method(self, key, *arguments, **named)
    return asked

for name in ("write", "read", "stat", "delete"):
    setattr(Picky, name, picky(getattr(FilesystemStorage, name)))

@hookimpl
def dicom_common_storage():
    return Backend("forgetful", Settings, Picky)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a configuration, and an installed plugin that breaks a promise."""
    installed = tmp_path / "installed"
    info = installed / "forgetful_storage-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: forgetful-storage\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[dicom_common.storage]\nforgetful = forgetful_storage\n")
    (installed / "forgetful_storage.py").write_text(FAULTY)
    backends = Path(__file__).with_name("faulty_backends.py").read_text(encoding="utf-8")
    (installed / "faulty_backends.py").write_text(backends)
    (tmp_path / "site.toml").write_text(f'[storage]\nbackend = "forgetful"\nfolder = "{tmp_path / "objects"}"\n')
    return tmp_path


def test_the_command_comes_from_this_distribution() -> None:
    [found] = entry_points(group="dicom_common.commands", name="verify")
    assert found.dist is not None
    assert found.dist.name == "dicom-common-testing"


def test_a_storage_is_verified_below_prefixes_and_left_as_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "dicom-common-data" / "objects" / "a" / "b.dcm"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"an object of the archive")
    words = ["--only", "scan_is or longest or BatchWrites or empty_batch or local_files_are"]
    answer = run_command("verify", "storage", *words, "--json", cwd=tmp_path)
    assert answer.code == 0, answer
    [statement] = answer.lines
    assert statement["backend"]["distribution"] == "dicom-common-storage-filesystem"
    assert statement["contracts"] == ["StorageContract"]
    assert statement["proven"] == [
        "test_a_scan_is_in_the_order_of_the_bytes",
        "test_an_empty_batch_is_nothing",
        "test_local_files_are_where_it_says",
    ]
    assert [one["test"] for one in statement["skipped"]] == ["test_the_longest_key_is_taken"]
    objects = tmp_path / "dicom-common-data" / "objects"
    left = [path for path in objects.rglob("*") if path.is_file() and ".dicom-common" not in path.parts]
    assert left == [kept]
    assert kept.read_bytes() == b"an object of the archive"


def test_a_promise_that_is_not_kept_is_told_and_can_be_declared(site: Path) -> None:
    variables = {"PYTHONPATH": os.pathsep.join([str(site / "installed")])}
    words = ["--config", "site.toml", "verify", "storage", "--only", "deleting_is or size_and_time"]
    answer = run_command(*words, cwd=site, variables=variables)
    assert answer.code == 1, answer
    assert "NOT KEPT  deleting is repeatable: RuntimeError: it is not there" in answer.out
    assert "Promises: 1 proven, 1 not kept" in answer.out
    declared = ["--not-promised", "test_deleting_is_repeatable=it forgets", "--json"]
    answer = run_command(
        *words,
        *declared,
        cwd=site,
        variables=variables | {"DICOM_COMMON_STORAGE__BACKEND": "forgetful-storage:forgetful"},
    )
    assert answer.code == 0, answer
    statement = json.loads(answer.out)
    assert statement["not_promised"] == [{"test": "test_deleting_is_repeatable", "reason": "it forgets"}]
    assert (statement["backend"]["distribution"], statement["backend"]["version"]) == ("forgetful-storage", "2.5")


def test_options_and_plugins_for_pytest_that_others_give_are_not_taken(site: Path) -> None:
    plugin = """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    (yield).force_result(None)
"""
    (site / "installed" / "lenient.py").write_text(plugin)
    with (site / "installed" / "forgetful_storage-2.5.dist-info" / "entry_points.txt").open("a") as entries:
        entries.write("[pytest11]\nlenient = lenient\n")
    variables = {
        "PYTHONPATH": str(site / "installed"),
        "PYTEST_ADDOPTS": "--deselect=_live_contracts.py::TestStorage::test_deleting_is_repeatable",
        "PYTEST_PLUGINS": "lenient",
    }
    words = ["--config", "site.toml", "verify", "storage", "--only", "deleting_is"]
    answer = run_command(*words, cwd=site, variables=variables)
    assert answer.code == 1, answer
    assert "NOT KEPT  deleting is repeatable" in answer.out


def test_a_backend_that_ends_the_process_is_found_out(site: Path) -> None:
    module = site / "installed" / "forgetful_storage.py"
    module.write_text(
        FAULTY.replace('raise RuntimeError("it is not there")', "__import__('os').kill(__import__('os').getpid(), 9)")
    )
    words = ["--config", "site.toml", "verify", "storage", "--only", "deleting_is or size_and_time"]
    answer = run_command(*words, cwd=site, variables={"PYTHONPATH": str(site / "installed")})
    answer.fails_with_one_line("The contract did not run to its end: a call of the storage backend ended the process")


def test_a_backend_that_ends_the_command_is_found_out(site: Path) -> None:
    module = site / "installed" / "forgetful_storage.py"
    ending = "    def scan(self, *_, **__):\n        __import__('os')._exit(0)\n\n    def delete"
    module.write_text(FAULTY.replace("    def delete", ending))
    words = ["--config", "site.toml", "verify", "storage", "--only", "size_and_time"]
    answer = run_command(*words, cwd=site, variables={"PYTHONPATH": str(site / "installed")})
    answer.fails_with_one_line("The storage backend cannot be verified, because it raises what no backend may")


def test_the_name_of_a_folder_selects_no_test(tmp_path: Path) -> None:
    answer = run_command("verify", "storage", "--only", "_verify", cwd=tmp_path)
    answer.fails_with_one_line("No test of the contract has the words '_verify'")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["storage", "--scratch", "db.path=x"], "--scratch applies only to `verify db`"),
        (["storage", "--drop", "rm {}"], "--drop applies only to `verify db`"),
        (["cache", "--refused-key", "a"], "--refused-key applies only to `verify storage`"),
        (["db", "--scratch", "db.path=x", "--drop", "rm x"], "--drop needs {} in the name of the index"),
        (
            ["db", "--scratch", "db.path=x", "--create", "mkdir x", "--drop", "rm {}"],
            "--create needs {} in the name of the index",
        ),
        (["db", "--scratch", "db.path={}", "--create", "no-such-command {}"], "There is no command 'no-such-command'"),
        (["db", "--scratch", "db.path={}", "--create", "false {}"], "failed with exit code 1: it said nothing"),
        (["db", "--scratch", "db.busy_timeout=9"], "--scratch needs {} in the value that selects the index"),
        (["cache", "--storage", "other"], "--storage names a further storage"),
        (["storage", "--only", "scan", "--badge", "badge.svg"], "A badge is of a whole contract"),
        (["storage", "--not-promised", "test_x"], "--not-promised needs a name and a value, joined by ="),
        (["storage", "--storage", "other"], "There is no storage 'other'"),
    ],
)
def test_what_cannot_be_verified_is_said_in_one_line(tmp_path: Path, words: list[str], told: str) -> None:
    run_command("verify", *words, cwd=tmp_path).fails_with_one_line(told)


def test_a_key_that_is_refused_is_declared_and_stands_in_the_statement(site: Path) -> None:
    (site / "installed" / "forgetful_storage.py").write_text(PICKY)
    (site / "site.toml").write_text(f'[storage]\nbackend = "forgetful"\nroot = "{site / "objects"}"\n')
    variables = {"PYTHONPATH": str(site / "installed")}
    words = ["--config", "site.toml", "verify", "storage", "--only", "odd_key or look_alike"]
    answer = run_command(*words, cwd=site, variables=variables)
    assert answer.code == 1, answer
    assert "the key '..a/...b/c..' is refused, and not one of `refused_keys`: dots are cut" in answer.out
    answer = run_command(*words, "--refused-key", "..a/...b/c..", "--statement", cwd=site, variables=variables)
    assert answer.code == 0, answer
    assert "Keys that are refused:\n  ..a/...b/c.." in answer.out


def test_each_test_has_an_index_that_commands_make_and_remove(tmp_path: Path) -> None:
    folder = tmp_path / "indexes"
    folder.mkdir()
    commands = ["--create", f"mkdir {folder}/{{}}", "--drop", f"rm -r {folder}/{{}}"]
    scratch = ["--scratch", f"db.path={folder}/{{}}/index.sqlite", "--server", "a disk", "--statement"]
    answer = run_command("verify", "db", "--only", "tenants_do", *scratch, *commands, cwd=tmp_path)
    assert answer.code == 0, answer
    assert "server        a disk" in answer.out
    assert "1 promise is proven" in answer.out
    assert not list(folder.iterdir())


def test_an_index_in_use_is_left_alone(tmp_path: Path) -> None:
    with closing(SqliteDatabase(Settings(path=tmp_path / "in-use.sqlite"))) as index:
        index.add([make_entry()])
    words = ["--scratch", f"db.path={tmp_path}/in-use.sqlite", "--scratch", "tenant={}", "--only", "tenants_do"]
    answer = run_command("verify", "db", *words, cwd=tmp_path)
    answer.fails_with_one_line("The index that --scratch selects is not empty")


@pytest.mark.kills
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "dicom_common.cli", "verify", "storage", "--only", "neighbours or claim_a_key"]
    objects = tmp_path / "dicom-common-data" / "objects"

    def kept() -> list[Path]:
        return [path for path in objects.rglob("*") if path.is_file() and ".dicom-common" not in path.parts]

    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        end = time.monotonic() + 60
        while not kept() and time.monotonic() < end:
            time.sleep(0.01)
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Stopping, and removing what the tests keep in the backend." in said
    assert kept() == []


def test_without_a_test_of_that_name_it_fails(tmp_path: Path) -> None:
    answer = run_command("verify", "storage", "--only", "no_such_words", cwd=tmp_path)
    answer.fails_with_one_line("No test of the contract has the words 'no_such_words'")


@pytest.mark.slow
@pytest.mark.service("redis")
def test_what_processes_keep_in_a_cache_stays_until_the_test_has_looked(
    tmp_path: Path, service_endpoint: Endpoint
) -> None:
    pytest.importorskip("dicom_common.cache.redis")  # the package's own environment has no server's plugin
    (tmp_path / "site.toml").write_text(f'[cache]\nbackend = "redis"\nurl = "redis://{service_endpoint}/0"\n')
    done = run_command("--config", "site.toml", "verify", "cache", "--only", "processes_that", "--json", cwd=tmp_path)
    assert done.code == 0, done.out
    assert len(done.lines[0]["proven"]) == 1
