"""The whole: commands that leave records, a trail that refuses them, and the commands that read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from audit_schema import SCHEMA
from audit_site import write_lines
from lxml import etree

from dicom_common.audit import TrailFolder
from dicom_common.audit._outbox import publish
from dicom_common.host import Services

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
NAME = "CompressedSamples"
"""The patient's name in the sample."""
HANG = 120


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Site:
    folder: Path

    def __call__(self, *words: str | Path) -> Answer:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_COMMON_")}
        command = [sys.executable, "-m", "dicom_common.cli", *map(str, words)]
        done = subprocess.run(
            command, cwd=self.folder, env=kept, capture_output=True, text=True, timeout=HANG, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    @property
    def trail(self) -> Path:
        return self.folder / "data" / "audit"

    def records(self) -> list[dict[str, Any]]:
        return [
            json.loads(line)["event"]
            for file in sorted(self.trail.glob("audit-*.jsonl"))
            for line in file.read_bytes().splitlines()
        ]

    def told(self) -> list[tuple[Any, ...]]:
        return [
            (fields["kind"], fields["outcome"], fields["details"].get("command"), fields["details"].get("stage"))
            for fields in self.records()
        ]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "dicom-common.toml").write_text(
        'data = "data"\nextensions = ["audit"]\n[audit]\nkey = "0123456789abcdef"\nrequired = true\nfree_bytes = 0\n'
    )
    return Site(tmp_path)


def test_what_commands_do_is_recorded_listed_exported_and_published_without_a_name(site: Site) -> None:
    answers = [
        site("--verbose", "ingest", SAMPLES / "CT_small.dcm", SAMPLES / "README.txt"),
        site("--verbose", "find", f"PatientName={NAME}*", "--json"),
        site("--verbose", "metadata", STUDY),
        site("--verbose", "get", STUDY, "--output", "out"),
        site("--verbose", "get", "1.2.3", "--output", "out"),
        site("--verbose", "remove", STUDY, "--yes"),
    ]
    assert [answer.code for answer in answers] == [1, 0, 0, 0, 2, 0], answers
    assert site.told() == [
        ("instances-stored", 0, None, None),
        ("instances-stored", 4, None, None),
        ("queried", 0, "find", None),
        ("instances-accessed", 0, "metadata", None),
        ("instances-accessed", 0, "get", "begin"),
        ("exported", 0, "get", None),
        ("instances-accessed", 0, "get", "begin"),
        ("exported", 4, "get", None),
        ("restricted-function-used", 0, "remove", "begin"),
        ("study-deleted", 0, "remove", None),
    ]
    for kind in ("instances-stored", "instances-accessed", "exported", "study-deleted"):
        fields = next(fields for fields in site.records() if fields["kind"] == kind)
        assert fields["studies"][0]["study_uid"] == STUDY
        assert fields["studies"][0]["patient_id"] == "1CT1"
        assert "@" in fields["user"]
    deleted = site.records()[-1]
    assert deleted["studies"][0]["sop_classes"] == {"1.2.840.10008.5.1.4.1.1.2": 1}

    listed = site("audit", "list", "--json", "--study", STUDY)
    assert [fields["kind"] for fields in listed.lines] == [
        "instances-stored",
        "instances-accessed",
        "instances-accessed",
        "exported",
        "restricted-function-used",
        "study-deleted",
    ]
    assert all(datetime.fromisoformat(fields["time"]).tzinfo is not None for fields in listed.lines)
    exported = site("audit", "export", "--since", "1h")
    for text in exported.out.splitlines():
        SCHEMA.assertValid(etree.fromstring(text))
    assert exported.out.count("<AuditMessage>") == 11, "that the trail was read is in it, too"

    with Services.from_file(site.folder / "dicom-common.toml") as services:  # a busy machine may have left some behind
        publish(TrailFolder(site.trail), services.db, "webapi_access_queue")
    assert site("relay", "--once").code == 0
    events = site("events", "webapi_access_queue").lines
    assert len(events) >= 12
    by_sequence = {int(found["headers"]["audit-sequence"]): found for found in events}
    sent = by_sequence[10]
    assert sent["headers"]["event-id"] == deleted["id"]
    assert (sent["body"]["path"], sent["body"]["status"]) == ("/audit/study-deleted", 200)
    assert sent["body"]["query_params"] == f"study={STUDY}"

    verified = site("audit", "verify", "--head", f"10:{sent['headers']['audit-hash']}")
    assert verified.code == 0, verified

    seen = "".join(answer.err for answer in answers) + listed.out + site("audit", "list").out + json.dumps(events)
    assert NAME not in seen
    assert "1CT1" not in json.dumps(events)


def test_verify_names_the_record_and_its_place_and_exits_1(site: Site) -> None:
    assert site("ingest", SAMPLES / "CT_small.dcm").code == 0
    assert site("find").code == 0
    [file] = site.trail.glob("audit-*.jsonl")
    write_lines(
        site.trail, [line.replace(b'"outcome":0', b'"outcome":4') for line in file.read_bytes().splitlines()[:1]]
    )

    found = site("audit", "verify", "--json")
    assert found.code == 1
    assert [(flaw["kind"], flaw["file"], flaw["line"], flaw["seq"]) for flaw in found.lines[:-1]] == [
        ("changed", file.name, 1, 1),
        ("removed", file.name, 0, 2),
    ]
    shown = site("audit", "verify")
    assert shown.code == 1
    assert f"changed {file.name}:1 record 1" in shown.out
    assert next(fields for fields in site.records() if fields["kind"] == "audit-log-used")["outcome"] == 4
    refused = site("audit", "verify", "--head", "7:xyz")
    told, error = refused.err.splitlines()
    assert (refused.code, told.split()[0], error.split()[0]) == (2, "Configured", "dicom-common:")


def test_while_the_trail_cannot_be_written_nothing_is_shown_stored_or_removed(site: Site) -> None:
    assert site("ingest", SAMPLES / "CT_small.dcm").code == 0
    site.trail.rename(site.folder / "hidden")
    site.trail.write_text("in the way")
    for words in (
        ("find",),
        ("metadata", STUDY),
        ("get", STUDY, "--output", "out"),
        ("remove", STUDY, "--yes"),
        ("ingest", str(SAMPLES / "MR_small.dcm")),
    ):
        answer = site(*words)
        assert answer.code == 2, answer
        assert "audit trail" in answer.err
        assert STUDY not in answer.out
    assert not (site.folder / "out").exists()
    site.trail.unlink()
    (site.folder / "hidden").rename(site.trail)
    [study] = site("find", "--json").lines
    assert study["StudyInstanceUID"] == STUDY


def test_where_recording_is_not_required_it_is_told_loudly_and_the_work_goes_on(site: Site) -> None:
    config = site.folder / "dicom-common.toml"
    config.write_text(config.read_text().replace("required = true", "required = false"))
    (site.folder / "data").mkdir()
    site.trail.write_text("in the way")
    answer = site("ingest", SAMPLES / "CT_small.dcm")
    assert answer.code == 0
    assert "NOT in its audit trail: instances-stored" in answer.err
    assert NAME not in answer.err


def test_a_wrong_table_refuses_commands_and_says_which_setting_is_wrong(site: Site) -> None:
    config = site.folder / "dicom-common.toml"
    config.write_text(config.read_text().replace('"0123456789abcdef"', '"short"'))
    answer = site("find")
    assert answer.code == 2
    assert "audit" in answer.err
    assert "openssl rand -hex 32" in answer.err
    assert "short" not in answer.err
    checked = site("check", "--json")
    ill = {line["kind"]: line["detail"] for line in checked.lines if line["status"] != "ok"}
    assert (checked.code, set(ill)) == (1, {"extensions"})
    assert "openssl rand -hex 32" in ill["extensions"]
    assert "short" not in checked.out + checked.err


def test_check_says_whether_the_trail_refuses_work(site: Site) -> None:
    assert {line["kind"]: line["status"] for line in site("check", "--json").lines}["audit"] == "ok"
    site.trail.rename(site.folder / "hidden")
    site.trail.write_text("in the way")
    answer = site("check", "--json")
    assert (answer.code, {line["kind"]: line["status"] for line in answer.lines}["audit"]) == (1, "failed")


def test_without_the_extension_there_is_no_trail_and_no_command(site: Site) -> None:
    (site.folder / "dicom-common.toml").write_text('data = "data"\n')
    assert site("ingest", SAMPLES / "CT_small.dcm").code == 0
    assert not site.trail.exists()
    assert site("audit", "list").code == 2


def test_a_tenant_that_is_named_before_the_command_sees_its_own_events_only(site: Site) -> None:
    for tenant in ("north", "south"):
        assert site("--tenant", tenant, "ingest", SAMPLES / "CT_small.dcm").code == 0
    for words in (("--tenant", "north", "audit", "list", "--json"), ("audit", "list", "--json", "--tenant", "north")):
        listed = site(*words)
        assert listed.lines
        assert "south" not in listed.out
    assert "south" not in site("--tenant", "north", "audit", "export").out
    assert "south" in site("audit", "list", "--json").out


def test_prune_refuses_a_tenant_since_it_deletes_the_records_of_all(site: Site) -> None:
    assert site("ingest", SAMPLES / "CT_small.dcm").code == 0
    answer = site("--tenant", "north", "audit", "prune", "--older-than", "1d")
    assert answer.code == 2
    assert "all tenants" in answer.err
