"""`init`, `config`, `check`, `plugins`, `migrate`, `reconcile`, `relay` and `events`."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import tomllib
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from cli_command import HANG, Answer, Installation

TOPICS = ["log_queue", "dicom_state_queue", "dicom_image_queue"]


def test_init_writes_a_configuration_with_which_everything_works(
    command: Callable[..., Answer], tmp_path: Path, samples: Path
) -> None:
    answer = command("init")

    assert answer.code == 0, answer
    text = (tmp_path / "dicom-common.toml").read_text()
    written = tomllib.loads(text)
    assert written.pop("data") == "dicom-common-data"
    assert not any(written.values()), "all else is commented out"
    assert {line["status"] for line in command("check", "--json").lines} == {"ok"}
    assert command("ingest", samples / "CT_small.dcm").code == 0
    assert (tmp_path / "dicom-common-data" / "objects").is_dir()


def test_config_explains_which_reader_runs(new: Installation) -> None:
    def origin() -> str:
        (row,) = [line for line in new("config", "explain", "--json").lines if line["key"] == "reader.engine"]
        return str(row["origin"])

    auto = "python" if find_spec("dicom_common.native") is None else "native"
    assert origin() == f"default; in effect: {auto}"
    new.variables["DICOM_COMMON_READER__ENGINE"] = "python"
    assert origin() == "variable DICOM_COMMON_READER__ENGINE; in effect: python"


def test_the_defaults_that_init_shows_are_the_defaults(command: Callable[..., Answer], tmp_path: Path) -> None:
    command("init")
    file = tmp_path / "dicom-common.toml"
    before = {line["key"]: line["value"] for line in command("config", "explain", "--json").lines}

    lines = file.read_text().splitlines(keepends=True)
    file.write_text(
        "".join(line.removeprefix("# ") if " = " in line and line[2:3].islower() else line for line in lines)
    )

    explained = command("config", "explain", "--json").lines
    assert {line["key"]: line["value"] for line in explained} == before
    unset = [line["key"] for line in explained if line["origin"] == "default"]
    assert all(before[key] is None for key in unset), unset


def test_init_overwrites_nothing_and_leaves_nothing_when_it_fails(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "there.toml").write_text("# mine")
    (tmp_path / "file").write_text("in the way")

    command("--config", "there.toml", "--data", "d", "init").fails_with_one_line("there.toml is there already")
    command("--config", "new.toml", "--data", "file", "init").fails_with_one_line("file")

    assert (tmp_path / "there.toml").read_text() == "# mine"
    assert not (tmp_path / "new.toml").exists()


def test_init_makes_ready_what_a_configuration_that_is_there_says(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    mine = 'data = "elsewhere"\n[topics]\nlog = "site_log"\n'
    (tmp_path / "dicom-common.toml").write_text(mine)

    for _ in range(2):
        answer = command("init")
        assert (answer.code, answer.err) == (0, "")
        assert answer.out.startswith("kept dicom-common.toml, which already exists")

    assert (tmp_path / "dicom-common.toml").read_text() == mine
    with closing(sqlite3.connect(tmp_path / "elsewhere" / "events.sqlite")) as database:
        topics = {name for (name,) in database.execute("SELECT name FROM topics")}
    assert {"site_log", "site_log.dead", "storage_queue"} <= topics
    assert {line["status"] for line in command("check", "--json").lines} == {"ok"}


def test_config_says_what_is_set_where_and_masks_secrets(command: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('data = "d"\n[ingest]\nduplicates = "keep"\n')
    variables = {"DICOM_COMMON_CACHE__MAX_ENTRIES": "7"}

    lines = command("--config", "site.toml", "config", "explain", "--json", variables=variables).lines
    shown = json.loads(command("--config", "site.toml", "config", "show", "--json").out)
    text = command("--config", "site.toml", "config", "show").out

    origins = {line["key"]: (line["value"], line["origin"]) for line in lines}
    assert origins["ingest.duplicates"] == ("keep", str(tmp_path / "site.toml"))
    assert origins["cache.max_entries"] == (7, "variable DICOM_COMMON_CACHE__MAX_ENTRIES")
    assert origins["storage.backend"] == ("filesystem", "default")
    assert shown["ingest"]["duplicates"] == "keep"
    assert tomllib.loads(text) == {
        name: {key: value for key, value in table.items() if value is not None} if isinstance(table, dict) else table
        for name, table in shown.items()
    }


def test_plugins_lists_the_embedded_set(command: Callable[..., Answer]) -> None:
    lines = command("plugins", "--json").lines

    assert [list(line) for line in lines] == [
        ["kind", "name", "distribution", "version", "state", "reason"] for _ in lines
    ]
    assert {(line["kind"], line["name"], line["state"]) for line in lines} >= {
        ("storage", "filesystem", "ready"),
        ("db", "sqlite", "ready"),
        ("cache", "memory", "ready"),
        ("broker", "sqlite", "ready"),
    }
    table = command("plugins").out
    assert all(line["distribution"] in table for line in lines)


def test_check_tells_an_ill_backend_from_a_well_one(own: Installation) -> None:
    assert own("check").code == 0

    for file in own.data.glob("index.sqlite*"):
        file.unlink()
    (own.data / "index.sqlite").write_text("no database at all")
    answer = own("check", "--json")

    assert answer.code == 1
    assert {line["kind"]: line["status"] for line in answer.lines} == {
        "storage": "ok",
        "db": "failed",
        "cache": "ok",
        "broker": "ok",
        "outbox": "degraded",
        "worker": "ok",
        "dead-letters": "ok",
    }
    assert all(list(line) == ["kind", "backend", "status", "detail", "facts"] for line in answer.lines)


def test_check_finds_a_word_that_is_misspelt_in_a_table_of_no_backend(
    command: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "dicom-common.toml").write_text('[policy.serch]\nscopes = ["dicom.search"]\n')
    answer = command("check", "--json")
    assert answer.code == 1
    assert [line["kind"] for line in answer.lines if line["status"] != "ok"] == ["settings"]
    assert "policy.serch" in answer.lines[-1]["detail"]


def test_check_names_an_extension_that_is_not_installed(command: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "dicom-common.toml").write_text('extensions = ["audti"]\n')
    answer = command("check", "--json")
    assert answer.code == 1
    [ill] = [line for line in answer.lines if line["status"] != "ok"]
    assert ill["kind"] == "extensions"
    assert "audti" in ill["detail"]


def test_an_error_in_the_table_of_a_backend_is_told_once(command: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "dicom-common.toml").write_text("[storage]\nrot = 'objects'\n")
    answer = command("check")
    assert answer.code == 1
    assert answer.out.count("storage.rot") == 1


def test_migrate_makes_the_schema_that_opening_must_not_make(new: Installation) -> None:
    new.variables["DICOM_COMMON_DB__MIGRATE"] = "never"
    new.data.mkdir()

    new("find").fails_with_one_line("dicom-common migrate")
    assert new("migrate").code == 0
    assert new("find").code == 0
    assert new("migrate").out.startswith("The schema has version ")


def test_reconcile_finds_and_repairs_what_a_crash_left(own: Installation, samples: Path) -> None:
    [kept] = own("find", "Modality=CT", "--level", "series", "PatientID=1CT1", "--json").lines
    orphan = own.data / "objects" / "local" / "undated" / "1.2.3" / "1.2.4" / "1.2.5.dcm"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes((samples / "MR_small.dcm").read_bytes())
    [lost] = (own.data / "objects").rglob(f"{kept['SeriesInstanceUID']}/*.dcm")
    lost.unlink()

    told = own("reconcile", "--json")
    repaired = own("reconcile", "--repair", "--json")
    after = own("reconcile", "--no-digests")

    def kinds(answer: Answer) -> set[tuple[str, str]]:
        return {(line["kind"], line["action"]) for line in answer.lines[:-1]}

    assert (told.code, repaired.code, after.code) == (1, 1, 1), "a missing object stays missing"
    assert kinds(told) == {("orphan", "none"), ("missing", "none")}
    assert kinds(repaired) == {("orphan", "indexed"), ("missing", "none")}
    assert told.lines[-1]["differences"] == {"orphan": 1, "missing": 1}
    assert after.out.splitlines()[-1] == "9 objects compared, 1 differences, 1 left as they are"
    assert len(own("find", "Modality=MR", "--level", "series", "--json").lines) == 1


def test_reconcile_rebuilds_an_index_that_was_lost(own: Installation) -> None:
    before = own("find", "--level", "instance", "--json").lines
    for file in own.data.glob("index.sqlite*"):
        file.unlink()

    assert own("reconcile", "--rebuild").code == 0

    assert own("find", "--level", "instance", "--json").lines == before
    assert own("reconcile").out == "8 objects compared, 0 differences, 0 left as they are\n"


@pytest.mark.parametrize("topic", TOPICS)
def test_events_prints_the_messages_of_a_topic(filled: Installation, topic: str) -> None:
    answer = filled("events", topic)

    assert answer.code == 0
    assert all(
        list(line) == ["topic", "partition", "offset", "key", "headers", "body"] and line["topic"] == topic
        for line in answer.lines
    )
    series = {line["body"]["series_uid"] for line in answer.lines}
    assert len(series) == 5


def test_events_disturbs_no_group_unless_it_is_told_its_name(own: Installation) -> None:
    words = ["events", "dicom_image_queue"]

    assert len(own(*words, "--limit", "3", "--group", "mine").lines) == 3
    assert len(own(*words).lines) == 8
    assert len(own(*words, "--group", "mine").lines) == 5
    end = own(*words, "--group", "mine")
    assert (end.code, end.out) == (0, "")
    assert "is new to the group mine" in end.err


def test_events_leaves_no_group_behind_for_which_messages_would_be_kept(own: Installation) -> None:
    def groups() -> int:
        with closing(sqlite3.connect(own.data / "events.sqlite")) as database:
            names = [str(name) for (name,) in database.execute("SELECT name FROM records WHERE name LIKE 'offsets/%'")]
            return len({name.rpartition("/")[2] for name in names})

    before = groups()
    own("events", "dicom_image_queue")
    assert groups() == before
    own("events", "dicom_image_queue", "--group", "mine", "--limit", "1")
    assert groups() == before + 1


@pytest.mark.kills
def test_relay_publishes_until_it_is_told_to_stop(own: Installation) -> None:
    process = own.start("relay", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline() == "Publishing events; SIGINT or SIGTERM ends it.\n"
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=HANG)

    assert process.returncode == 0, errors
    assert not errors


def test_relay_publishes_what_an_ingest_could_not(own: Installation, samples: Path) -> None:
    for file in own.data.glob("events.sqlite*"):
        file.unlink()
    (own.data / "events.sqlite").mkdir()

    stored = own("ingest", samples / "MR_small.dcm")
    refused = own("relay", "--once")
    (own.data / "events.sqlite").rmdir()
    published = own("relay", "--once")

    assert stored.code == 0, "a broker that is down delays events, and loses none"
    assert "wait in the outbox" in stored.err
    assert refused.code == 2
    assert published.out.endswith(" events published, 0 wait\n")
    assert [line["body"]["patient_id"] for line in own("events", "dicom_image_queue").lines] == ["4MR1"]
