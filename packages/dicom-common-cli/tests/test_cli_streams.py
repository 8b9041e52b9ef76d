"""Output that goes anywhere: to terminals of any encoding, to closed streams, to pipes that end and to full disks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pydicom
import pytest
from cli_command import HANG, Installation, environment

ENCODINGS: dict[str, dict[str, str]] = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "strict ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "cp932": {"PYTHONIOENCODING": "cp932"},
    "utf-16": {"PYTHONIOENCODING": "utf-16"},
    "C without UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Installation:
    """An installation with a patient whose name no small encoding has. Tests must not change it."""
    folder = tmp_path_factory.mktemp("foreign")
    dataset = pydicom.dcmread(samples / "CT_small.dcm")
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", NAME
    (folder / "in").mkdir()
    dataset.save_as(folder / "in" / "größe-山.dcm")
    made = Installation(folder / "data")
    assert made("ingest", folder / "in").code == 0
    return made


def _run(installation: Installation, variables: dict[str, str], *words: str | Path) -> tuple[int, str, bytes]:
    kept = {name: value for name, value in environment({}).items() if name != "PYTHONIOENCODING"}
    done = subprocess.run(
        [*installation.words, *map(str, words)],
        env=kept | variables,
        cwd=installation.data.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert b"bug" not in done.stderr, done.stderr
    encoding = variables.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    return done.returncode, done.stdout.decode(encoding), done.stderr


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_results_are_printed_in_every_encoding(foreign: Installation, tmp_path: Path, encoding: str) -> None:
    variables = ENCODINGS[encoding]
    code, out, _ = _run(foreign, variables, "find", "--level", "patient", "--json")
    assert code == 0
    assert json.loads(out)["PatientName"] == NAME
    code, out, _ = _run(foreign, variables, "find", "--level", "patient")
    assert code == 0
    assert "Yamada" in out
    shutil.copytree(foreign.data.parent / "in", tmp_path / "größe")
    (tmp_path / "größe" / "größe-山.dcm").write_bytes(b"not DICOM")
    code, out, _ = _run(foreign, variables, "ingest", tmp_path / "größe")
    assert code == 1
    assert "rejected" in out


CLOSED = [[1], [2], [1, 2], [0, 1, 2]]


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_closed_streams_change_neither_the_work_nor_its_exit_code(
    new: Installation, samples: Path, closed: list[int]
) -> None:
    def run(*words: str | Path) -> int:
        redirections = " ".join(f"{number}<&-" if number == 0 else f"{number}>&-" for number in closed)
        command = ["bash", "-c", f'exec "$@" {redirections}', "bash", *new.words, *map(str, words)]
        return subprocess.run(command, env=environment({}), cwd=new.data.parent, timeout=HANG, check=False).returncode

    assert run("ingest", "--jobs", "2", samples / "CT_small.dcm", samples / "MR_small.dcm") == 0
    assert run("ingest", samples / "rtplan.dump") == 1
    assert run("find", "--level", "nowhere") == 2
    assert run("find", "--json") == 0
    assert new.count == 2
    assert new("reconcile").code == 0, "nothing was printed into a file of the installation"


def _into(
    stream: Any, installation: Installation, *words: str | Path, errors: Any = subprocess.PIPE
) -> tuple[int, str]:
    process = installation.start(*words, stdout=stream, stderr=errors)
    _, told = process.communicate(timeout=HANG)
    return process.returncode, told or ""


@pytest.mark.parametrize(
    "words", [["find"], ["find", "--json"], ["config", "show"], ["check"], ["plugins"], ["--help"]]
)
def test_a_full_disk_is_an_error_of_every_output(filled: Installation, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        code, told = _into(full, filled, *words)
        assert (code, told) == (2, "dicom-common: No space left on device.\n")
        code, _ = _into(full, filled, *words, errors=full)
        assert code == 2


def test_errors_that_cannot_be_told_keep_their_exit_code(filled: Installation) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full:
        for words, expected in ((["find", "--level", "nowhere"], 2), (["find"], 0)):
            for errors in (full, writer):
                code, _ = _into(subprocess.DEVNULL, filled, *words, errors=errors)
                assert code == expected
    os.close(writer)


def test_a_reader_that_takes_one_line_is_no_error_worth_a_word(filled: Installation) -> None:
    line = " ".join(filled.words)
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} config explain | head -1"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode in (0, 2)
    assert done.stdout.count("\n") == 1
    assert not done.stderr
