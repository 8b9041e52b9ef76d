"""`documents`, and `metadata` with and without them."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
from pathlib import Path

from cli_command import HANG, Installation

NOW = ("--quiet-seconds", "0")


def documents(installation: Installation) -> dict[str, bytes]:
    return {
        str(path.relative_to(installation.data)): path.read_bytes()
        for path in sorted(installation.data.rglob("*.json"))
        if "metadata" in path.parts
    }


def study_of(installation: Installation) -> str:
    [found] = [one for one in installation("find", "--json").lines if one["NumberOfStudyRelatedSeries"] == 3]
    return str(found["StudyInstanceUID"])


def test_build_makes_the_documents_that_metadata_then_gives(own: Installation) -> None:
    study = study_of(own)
    before = own("metadata", study).out
    assert own("documents", "build").out == "0 built, 0 current, 0 failed\n"  # nothing is quiet yet
    answer = own("documents", "build", *NOW, "--json")
    assert answer.code == 0
    assert {one["status"] for one in answer.lines} == {"built"}
    made = documents(own)
    series = sum(one["series_uid"] is not None for one in answer.lines)
    assert len(made) == len(answer.lines) == series + len(own("find", "--json").lines)
    assert own("metadata", study).out == before
    [document] = [data for name, data in made.items() if Path(name).name == f"{study}.json"]
    assert gzip.decompress(document).decode() == before
    assert {one["status"] for one in own("documents", "build", *NOW, "--all", "--json").lines} == {"current"}
    assert documents(own) == made
    assert own("reconcile").code == 0


def test_metadata_never_gives_a_document_that_is_stale_or_damaged(own: Installation) -> None:
    study = study_of(own)
    own("documents", "build", "--study", study)
    series = [
        one["SeriesInstanceUID"]
        for one in own("find", "--level", "series", f"StudyInstanceUID={study}", "--json").lines
    ]
    assert own("remove", study, series[0], "--yes").code == 0
    left = json.loads(own("metadata", study).out)
    assert {one["0020000E"]["Value"][0] for one in left} == set(series[1:])
    own("documents", "build", "--study", study)
    for path in own.data.rglob(f"{study}.json"):
        path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    assert json.loads(own("metadata", study).out) == left
    assert own("remove", study, "--yes").code == 0
    assert documents(own) == {}
    own("metadata", study).fails_with_one_line("Nothing is stored")


def test_the_documents_of_one_study_are_made_at_once(own: Installation) -> None:
    study = study_of(own)
    answer = own("documents", "build", "--study", study)
    assert (answer.code, answer.out) == (0, "4 built, 0 current, 0 failed\n")
    assert own("documents", "build", "--study", study).out == "0 built, 4 current, 0 failed\n"
    own("documents", "build", "--study", "1.2.3").fails_with_one_line("1.2.3")
    own("documents", "build", "--study", study, "--all").fails_with_one_line("--all")
    own("documents", "build", "--tenant", "other").fails_with_one_line("--study")


def test_clean_deletes_what_nobody_refers_to(own: Installation) -> None:
    own("documents", "build", *NOW)
    made = documents(own)
    name = next(name for name in made if name.count("/") > 4 or name.endswith(".json"))
    stray = own.data / Path(name).parent.parent / "19990101" / "1.2.3.4.json"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(made[name])
    assert own("documents", "clean").out == "deleted 1 document\n"
    assert documents(own) == made


def test_watch_goes_on_until_it_is_told_to_stop(own: Installation) -> None:
    child = own.start("documents", "build", "--watch", *NOW, "--json", stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["status"] == "built"
    time.sleep(0.2)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=HANG)
    assert child.returncode == 0
