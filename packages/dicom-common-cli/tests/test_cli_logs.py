"""`log`, `prune` and `migrate --status`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from cli_command import Installation

from dicom_common.core import LogRecord, Logs, ReceivedObject, WebAccess
from dicom_common.host import Services

CANARY = "CANARY^NAME"


def accesses(count: int, *, days: int = 0, tenant: str = "local") -> list[WebAccess]:
    start = datetime.now(UTC) - timedelta(days=days, seconds=count)
    return [
        WebAccess(
            id=f"{days}-{number}",
            time=start + timedelta(seconds=number),
            tenant=tenant,
            method="GET",
            path=f"/studies/{number}",
            query=f"PatientName={CANARY}",
            status=404,
            user="someone",
            headers={"Accept": "*/*"},
            duration_ms=1.5,
        )
        for number in range(count)
    ]


def write(installation: Installation, records: Sequence[LogRecord]) -> None:
    with Services.from_file(overrides={"data": str(installation.data)}) as services:
        assert isinstance(services.db, Logs)
        services.db.write_log(records)


def test_what_was_ingested_is_in_the_log_of_received_objects(filled: Installation) -> None:
    found = filled("find", "--level", "instance", "--json").lines
    logged = filled("log", "received", "--json").lines
    assert {line["sop_uid"] for line in logged} == {line["SOPInstanceUID"] for line in found}
    assert len(logged) == 8
    assert logged == sorted(logged, key=lambda line: (line["time"], line["id"]), reverse=True)
    assert filled("log", "received", "--json", "--oldest-first").lines == logged[::-1]

    table = filled("log", "received")
    assert table.code == 0
    assert all(line["sop_uid"] in table.out and line["key"] in table.out for line in logged)
    assert table.err == "8 records\n"


def test_a_log_is_narrowed_by_study_time_tenant_and_number(filled: Installation) -> None:
    study = filled("find", "PatientID=1CT1", "--json").lines[0]["StudyInstanceUID"]
    [line] = filled("log", "received", "--study", study, "--json").lines
    assert line["study_uid"] == study

    assert len(filled("log", "received", "--since", "1d", "--json").lines) == 8
    assert filled("log", "received", "--until", "1d", "--json").lines == []
    assert filled("log", "received", "--until", "2020-01-01T10:00+02:00", "--json").lines == []
    assert filled("log", "received", "--tenant", "other", "--json").lines == []

    some = filled("log", "received", "--limit", "3", "--json")
    assert len(some.lines) == 3
    assert some.err == "There are more than these 3: raise --limit, or narrow --since and --until.\n"


def test_a_long_log_is_read_whole(own: Installation) -> None:
    write(own, accesses(2500))
    lines = own("log", "access", "--limit", "2500", "--oldest-first", "--json").lines
    assert [line["path"] for line in lines] == [f"/studies/{number}" for number in range(2500)]


def test_the_log_of_web_requests_shows_a_query_only_where_all_is_asked_for(own: Installation) -> None:
    write(own, accesses(1))
    table = own("log", "access")
    assert "/studies/0" in table.out
    assert "someone" in table.out
    assert CANARY not in table.out
    [line] = own("log", "access", "--json").lines
    assert (line["query"], line["headers"], line["status"]) == (f"PatientName={CANARY}", {"Accept": "*/*"}, 404)


def test_pruning_deletes_what_is_older_of_all_tenants_and_nothing_else(own: Installation) -> None:
    write(own, [*accesses(3, days=100), *accesses(2, days=50, tenant="other"), *accesses(4)])

    dry = own("prune", "--older-than", "40d", "--dry-run", "--json").lines
    assert [(line["log"], line["records"], line["dry_run"]) for line in dry] == [
        ("received", 0, True),
        ("access", 5, True),
    ]
    assert own("prune", "--older-than", "40d", "--received").out.startswith("received: 0 records")
    assert [line["records"] for line in own("prune", "--older-than", "60d", "--access", "--json").lines] == [3]
    assert [line["records"] for line in own("prune", "--older-than", "60d", "--json").lines] == [0, 0]
    assert len(own("log", "access", "--tenant", "other", "--json").lines) == 2
    assert len(own("log", "access", "--json").lines) == 4
    assert len(own("log", "received", "--json").lines) == own.count == 8


def test_the_configuration_says_for_how_long_the_logs_are_kept(own: Installation) -> None:
    write(own, [*accesses(3, days=100), *accesses(2, days=50), *accesses(4)])
    own.variables["DICOM_COMMON_RETENTION__ACCESS_DAYS"] = "90"

    assert [(line["log"], line["records"]) for line in own("prune", "--json").lines] == [("access", 3)]
    own("prune", "--received").fails_with_one_line("retention.received_days is 0", "--older-than")
    own.variables.clear()
    own("prune").fails_with_one_line("--older-than 90d", "[retention]")
    assert len(own("log", "access", "--json").lines) == 6


@pytest.mark.parametrize("age", ["90", "d", "0d", "-1d", "1y", "1.5d", "999999w", ""])
def test_an_age_that_is_none_is_refused(filled: Installation, age: str) -> None:
    filled("prune", f"--older-than={age}").fails_with_one_line("--older-than", "such as 90d")


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "999999w"])
def test_a_moment_that_is_none_is_refused(filled: Installation, moment: str) -> None:
    filled("log", "received", "--since", moment).fails_with_one_line("--since", "7d")


def test_a_time_that_ends_before_it_begins_is_refused(filled: Installation) -> None:
    arguments = ("--since", "2026-02-01", "--until", "2026-01-01")
    filled("log", "received", *arguments).fails_with_one_line("--since has to be before --until")


def test_the_version_of_the_schema_is_shown_and_not_changed(own: Installation) -> None:
    status = own("migrate", "--status", "--json")
    [line] = status.lines
    assert (status.code, line["version"], line["current"]) == (0, line["needed"], True)

    with closing(sqlite3.connect(own.data / "index.sqlite")) as database, database:
        database.execute("DROP TABLE received_log")
        database.execute("DROP TABLE access_log")
        database.execute("UPDATE schema_version SET version_num = '0001'")
    older = own("migrate", "--status", "--json")
    assert (older.code, older.lines[0]["version"], older.lines[0]["current"]) == (1, "0001", False)
    assert "dicom-common migrate" in older.err
    assert own("migrate", "--json").lines[0] == line
    assert own("migrate", "--status").code == 0


def test_a_newer_schema_is_refused_by_everything(own: Installation) -> None:
    with closing(sqlite3.connect(own.data / "index.sqlite")) as database, database:
        database.execute("UPDATE schema_version SET version_num = '9999'")
    for words in (["find"], ["migrate"], ["log", "received"]):
        own(*words).fails_with_one_line("9999", "upgrade the packages", "backup")
    status = own("migrate", "--status", "--json")
    assert (status.code, status.lines[0]["version"]) == (1, "9999")


def test_the_received_log_is_read_by_the_library_too(filled: Installation) -> None:
    with Services.from_file(overrides={"data": str(filled.data)}) as services:
        assert isinstance(services.db, Logs)
        assert len(services.db.read_log(ReceivedObject, "local")) == 8
