"""Every file that a command makes is for its owner alone, whatever the umask is: the life of an installation."""

from __future__ import annotations

import base64
import os
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import pydicom
import pytest
from embedded import COMMAND

from dicom_common.cli import main

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = SAMPLES / "dicomdirtests" / "77654033"
STUDY = "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.1"
CONFIGURATION = """
data = "data"
extensions = ["audit"]
[storage]
backend = "encrypted"
storage = "plain"
[storages.plain]
backend = "filesystem"
root = "sealed"
[storages.copy]
backend = "filesystem"
root = "copied"
[keyring]
backend = "local"
file = "{keyring}"
[audit]
key = "0123456789abcdef0123456789abcdef"
[documents]
quiet_seconds = 0.0
[log]
file = "{log}"
level = "debug"
"""
PUBLIC = {"ca.pem", "crl.pem", "host.example.pem", "letter.p7s"}
"""Certificates, lists of revoked ones and signatures are for others to read."""


class Life:
    """Runs commands under an umask, and looks at all that they have made after each."""

    def __init__(self, folder: Path, umask: int) -> None:
        self.folder, self.umask = folder, umask
        self.seen: set[str] = set()

    def __call__(self, *words: str | Path) -> None:
        before = os.umask(self.umask)
        try:
            assert main([*map(str, words)]) == 0, words
        finally:
            os.umask(before)
        self.look()

    def look(self) -> None:
        for path in self.folder.rglob("*"):
            mode = stat.S_IMODE(path.lstat().st_mode)
            self.seen.add(str(path.relative_to(self.folder)))
            expected = {0o700} if path.is_dir() else {0o644} if path.name in PUBLIC else {0o600}
            assert mode in expected, (path, f"{mode:04o}")

    def has_seen(self, start: str) -> bool:
        return any(name.startswith(start) for name in self.seen)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids="umask {:03o}".format)
def test_what_the_commands_make_is_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    folder, keyring = tmp_path / "life", tmp_path / "keyring.toml"
    folder.mkdir()
    monkeypatch.chdir(folder)
    run = Life(folder, umask)
    run("--config", "site/etc/dicom-common.toml", "init")
    key = base64.b64encode(bytes(32)).decode()
    keyring.touch(mode=0o600)
    keyring.write_text(f'[[key]]\nid = "2026"\nkey = "{key}"\nactive = true\n')
    (folder / "site/etc/dicom-common.toml").write_text(
        CONFIGURATION.format(keyring=keyring, log=folder / "command.log")
    )
    there = ("--config", "site/etc/dicom-common.toml")
    run(*there, "init")
    run(*there, "ingest", FILES)
    run(*there, "find", "--level", "study")
    run(*there, "metadata", STUDY)
    run(*there, "get", STUDY, "--output", "out/below")
    run(*there, "documents", "build", "--all")
    run(*there, "copy", "--from", "plain", "--to", "copy")
    run(*there, "reconcile", "--repair")
    run(*there, "keys", "rotate")
    run(*there, "dead-letters", "list")
    run(*there, "audit", "verify")
    run(*there, "check")
    with closing(sqlite3.connect(folder / "site/etc/data/index.sqlite")) as database:
        database.execute("SELECT count(*) FROM instance").fetchone()  # while it is open, its logs are there
        run(*there, "ingest", FILES)
    run(*there, "remove", "--yes", STUDY)
    (folder / "letter").touch(mode=0o600)
    run("certs", "init-ca", "Site", "--ca", "certs/ca")
    run("certs", "issue", "host.example", "--usage", "server", "--ca", "certs/ca", "--output", "certs/ca")
    run("certs", "revoke", "certs/ca/host.example.pem", "--ca", "certs/ca")
    for start in ("site/etc/dicom-common.toml", "out/below/", "certs/ca/ca.key", "command.log"):
        assert run.has_seen(start)
    for start in ("sealed/", "copied/", "copies/", "index.sqlite-wal", "events.sqlite", "audit"):
        assert run.has_seen(f"site/etc/data/{start}"), sorted(run.seen)


def test_the_modes_of_the_file_storage_are_for_a_group_under_any_umask(tmp_path: Path) -> None:
    for umask in (0o000, 0o027, 0o077):
        life = tmp_path / f"{umask:o}"
        life.mkdir()
        (life / "site.toml").write_text('[storage]\nroot = "objects"\nfile_mode = 0o640\nfolder_mode = 0o750\n')
        subprocess.run(
            [*COMMAND, "--config", "site.toml", "ingest", str(SAMPLES / "CT_small.dcm")],
            cwd=life,
            capture_output=True,
            timeout=120,
            check=True,
            umask=umask,
        )
        [file] = (life / "dicom-common-data" / "objects").rglob("*.dcm")
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        root = life / "dicom-common-data" / "objects"
        folders = [above for above in file.parents if above == root or root in above.parents]
        assert {stat.S_IMODE(above.stat().st_mode) for above in folders} == {0o750}
        assert stat.S_IMODE((life / "dicom-common-data" / "index.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["index.sqlite", "events.sqlite"])
def test_check_warns_of_a_database_that_others_may_read_and_leaves_its_mode(tmp_path: Path, name: str) -> None:
    def run(*words: str) -> str:
        command = [*COMMAND, "--data", "data", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True).stdout

    run("ingest", str(SAMPLES / "CT_small.dcm"))
    file = tmp_path / "data" / name
    file.chmod(0o644)
    told = run("check", "--time-limit", "60")
    assert "degraded" in told
    assert f"Other users may open {file} (mode 0644), which holds data of patients: run chmod 600 on it." in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
