"""Every command, in the name of one tenant, at the data of the other: it sees nothing of it and changes nothing."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from corpus import instances, small_template

from dicom_common.cli import Session, main
from dicom_common.cli._main import _OF_ALL_TENANTS, _program
from dicom_common.core import EncryptionKeys, Level, Logs, Message, Query, ReceivedObject, WebAccess
from dicom_common.host import Services
from dicom_common.pipeline import DeadLetters, MetadataDocuments
from dicom_common.testing import make_access

CONFIG = f"""
data = "data"
tenant = "north"

[storage]
backend = "encrypted"
storage = "plain"

[storages.plain]
backend = "filesystem"
root = "objects"

[storages.other]
backend = "filesystem"
root = "other"

[documents]
quiet_seconds = 0

[keyring]
backend = "local"
keys = [{{ id = "1", key = "{base64.b64encode(b"made-up key of tests, 32 bytes..").decode()}", active = true }}]
"""
CANARIES = ("SECRETS-0000", "Hush^Up", "south")
"""What only south has: patients' numbers, their names, and its own name in keys."""
BOTH, THEIRS = f"2.25.4{0:029}", f"2.25.4{2:029}"
"""A study of which each tenant has instances of its own, and one that only south has: north guessed its UID."""
SERIES, SOP = f"2.25.5{2:029}", f"2.25.6{2:029}"

CASES: dict[str, list[str]] = {
    "init": ["--data data init"],  # with a configuration that is not there yet, over the same data
    "ingest": [
        "ingest --duplicates replace --jobs 1 files/as-south",
        "ingest --duplicates replace --jobs 1 --json files/as-south",
        "ingest --jobs 1 --tenant ../south files/as-south",
    ],
    "find": [
        *(f"find --json --level {level}" for level in ("patient", "study", "series", "instance")),
        *(f"find --json --level {level} StudyInstanceUID={THEIRS}" for level in ("patient", "study", "instance")),
        f"find --level instance SOPInstanceUID={SOP}",
        "find PatientID=SECRETS*",
        "find PatientName=HUSH*",
        "find --offset 0 --limit 1000 --level instance 'PatientName=*'",
        "find --tenant South",
        "find --tenant '%'",
    ],
    "metadata": [
        f"metadata {BOTH}",
        f"metadata {THEIRS}",
        f"metadata {THEIRS} {SERIES}",
        f"metadata {THEIRS} {SERIES} {SOP}",
        f"metadata {BOTH} {SERIES} {SOP}",
        "metadata '%'",
    ],
    "get": [
        f"get {BOTH} -o out",
        f"get {THEIRS} -o out",
        f"get {THEIRS} {SERIES} {SOP} -o out --json",
        f"get {BOTH} {SERIES} {SOP} -o out --overwrite",
    ],
    "remove": [
        f"remove {THEIRS} --yes",
        f"remove {THEIRS} {SERIES} {SOP} --yes",
        f"remove {BOTH} {SERIES} {SOP} --yes",
        f"remove {BOTH} --yes --json",
        f"remove {BOTH} --yes",
    ],
    "check": ["check", "check --json"],
    "plugins": ["plugins"],
    "config explain": ["config explain"],
    "config show": ["config show"],
    "copy": [
        "copy --from storage --to other --json",
        "copy --from storage --to other --prefix ../south/ --json",
        "copy --from storage --to other --prefix '' --verify --overwrite --delete-extra --json",
        "copy --to other --check-index --json",
        "copy --from other --to storage --delete-extra --json",
    ],
    "log received": [
        "log received",
        "log received --json --limit 1000",
        f"log received --json --study {THEIRS}",
        f"log received --json --study {BOTH} --oldest-first",
    ],
    "log access": ["log access", "log access --json --limit 1000 --oldest-first"],
    "keys list": ["keys list", "keys list --json"],
    "keys rotate": ["keys rotate --json --new-generation", "keys rotate"],
    "keys destroy": ["keys destroy --tenant north --yes"],
    "documents build": [
        "documents build --json",
        "documents build --all --quiet-seconds 0 --json",
        f"documents build --study {BOTH} --json",
        f"documents build --study {THEIRS} --json",
    ],
    "documents clean": ["documents clean --json", "documents clean --tenant ../south"],
    "dead-letters list": ["dead-letters list", "dead-letters list --json", f"dead-letters list --study {BOTH}"],
    "dead-letters show": [
        "dead-letters show --all --body --json",
        f"dead-letters show --study {BOTH} --body",
        "dead-letters show storage_queue/0/1 storage_queue/0/2 --body",
    ],
    "dead-letters replay": [
        "dead-letters replay --all --dry-run --json",
        "dead-letters replay storage_queue/0/1 storage_queue/0/2 --yes",
        "dead-letters replay --all --yes --json",
    ],
    "dead-letters drop": [
        "dead-letters drop --all --dry-run --json",
        "dead-letters drop storage_queue/0/1 storage_queue/0/2 --yes",
        "dead-letters drop --all --yes --json",
    ],
    "conformance": ["conformance", "conformance --json"],
    "link": [f"link {THEIRS}", f"link {BOTH}", f"link {THEIRS} --series {SERIES}", "link '%'"],
    "echo": ["echo peer"],
    "query": ["query peer --json", f"query peer StudyInstanceUID={THEIRS}"],
    "send": [f"send peer {THEIRS}", f"send peer {BOTH} --json", f"send peer {THEIRS}/{SERIES}/{SOP}"],
    "fetch": [f"fetch peer {THEIRS} --attempts 1", f"fetch peer {BOTH} --attempts 1 --json"],
    "verify": ["verify cache --only get"],
    **{name: [name] for name in ("reconcile", "migrate", "prune", "worker", "relay", "events")},
}
"""What north tries, by command. A new command needs a case here: what would it have to do to reach another tenant?"""
OF_FILES = "certs "
"""Commands on files that are named to them: they know nothing of an installation, and open no backend."""
OF_THE_TRAIL = "audit "
"""Commands on the audit trail, which has no backend: the tests of dicom-common-audit have their cases."""
OF_REQUESTS = ("serve", "scp")
"""They do what requests ask them: the tests of dicom-common-web and of dicom-common-dimse have their cases."""


def leaves(command: click.Command, ctx: click.Context, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    for name in command.list_commands(ctx):
        found = command.get_command(ctx, name)
        assert found is not None
        yield from leaves(found, ctx, (*path, name))


def test_every_command_has_a_case() -> None:
    ctx = click.Context(_program, obj=Session())
    found = {name for name in leaves(_program, ctx) if not name.startswith((OF_FILES, OF_THE_TRAIL, *OF_REQUESTS))}
    assert found == set(CASES), "write what a tenant could try with it into CASES"


def letters(services: Services, tenant: str) -> list[Message]:
    with DeadLetters(services.broker, ["storage_queue"]) as dead:
        return [letter.message for letter in dead.read() if letter.tenant == tenant]


def dead_letter(number: int, whose: str, said: str) -> Message:
    """Make a dead letter with the data of one tenant, which says that it is of one: another one, where it is forged."""
    headers = {"tenant": said, "dead-reason": "made-up", "dead-partition": "0", "dead-offset": str(number)}
    body = {"tenant_id": whose, "file_path": f"{whose}/a.dcm", "patient_name": {"south": "Hush^Up"}.get(whose)}
    return Message(key=f"{whose}|{BOTH}|{SERIES}", headers=headers, body=json.dumps(body).encode())


class Site:
    """An installation, the folder that it is in, and the command there."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        self.config = folder / "dicom-common.toml"

    def run(self, line: str, *options: str) -> tuple[int, str]:
        """Run a command line in the name of north; return its exit code and all that it printed."""
        self._capfd.readouterr()
        code = main(["--config", str(self.config), *options, "--tenant", "north", *shlex.split(line)])
        answer = self._capfd.readouterr()
        return code, answer.out + answer.err

    def of(self, tenant: str) -> dict[str, Any]:
        """Return everything that the installation holds of a tenant."""
        with Services.from_file(self.folder / "dicom-common.toml") as services:
            db, storage, other = services.db, services.storage, services.storage_named("other")
            assert isinstance(db, Logs)
            assert isinstance(storage, EncryptionKeys)
            studies = db.find(Query(tenant=tenant, level=Level.STUDY))
            return {
                "rows": {level: db.find(Query(tenant=tenant, level=level)) for level in Level},
                "metadata": [list(db.metadata(tenant, str(study["StudyInstanceUID"]))) for study in studies],
                "index": [stored for stored in db.walk() if stored.tenant == tenant],
                "objects": {i.key: b"".join(storage.read(i.key)) for i in storage.scan(f"{tenant}/")},
                "copies": {i.key: b"".join(other.read(i.key)) for i in other.scan(f"{tenant}/")},
                "received": db.read_log(ReceivedObject, tenant),
                "access": db.read_log(WebAccess, tenant),
                "keys": list(storage.tenant_keys(tenant)),
                "letters": letters(services, tenant),
            }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an installation in which both tenants have instances, under the same UIDs."""
    folder = tmp_path_factory.mktemp("tenants")
    (folder / "dicom-common.toml").write_text(CONFIG)
    for name in ("north", "south", "as-south"):
        (folder / "files" / name).mkdir(parents=True)
    made = list(instances(small_template(), 3, per_series=1, series_per_study=1))
    for number, data in enumerate(made):
        if number < 2:
            (folder / "files" / "north" / f"{number}.dcm").write_bytes(data)
        theirs = data.replace(b"PATIENT-", b"SECRETS-").replace(b"Made^Up", b"Hush^Up")
        assert theirs != data
        (folder / "files" / "south" / f"{number}.dcm").write_bytes(theirs)
        # North has no bytes of south: only its UIDs. It puts others under them, which say that they are of south.
        (folder / "files" / "as-south" / f"{number}.dcm").write_bytes(data.replace(b"PATIENT-", b"FORGERY-"))
    for tenant in ("north", "south"):
        words = ["--tenant", tenant, "ingest", "--jobs", "1", str(folder / "files" / tenant)]
        assert main(["--config", str(folder / "dicom-common.toml"), *words]) == 0
    with Services.from_file(folder / "dicom-common.toml") as services:
        assert isinstance(services.db, Logs)
        services.db.write_log([make_access(tenant=tenant, path=f"/{tenant}") for tenant in ("north", "south")])
        owners = enumerate([("north", "north"), ("south", "south"), ("south", "north")])
        dead = [dead_letter(number, *whose) for number, whose in owners]
        services.broker.publish("storage_queue.dead", dead)
        with MetadataDocuments(services).study("south", BOTH):
            pass  # which writes it to the storage: the study has been quiet for no second at all
        services.storage_named("other").write("south/only/there.dcm", b"Hush^Up")
    return folder


@pytest.fixture
def site(template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = tmp_path / "site"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    return Site(folder, capfd)


@pytest.mark.parametrize("command", [name for name in CASES if name not in _OF_ALL_TENANTS])
def test_a_command_of_one_tenant_neither_shows_nor_changes_what_is_the_others(site: Site, command: str) -> None:
    before = site.of("south")
    assert all(before.values())
    if command == "init":
        site.config = site.folder / "new.toml"
    for line in CASES[command]:
        assert line.removeprefix("--data data ").startswith(command)
        code, shown = site.run(line)
        assert "Traceback" not in shown
        assert [word for word in CANARIES if word in shown and word not in line] == [], line
        assert code in (0, 1, 2)
    for file in (site.folder / "out").rglob("*.dcm"):
        assert b"Hush^Up" not in file.read_bytes()
    assert site.of("south") == before


@pytest.mark.parametrize("command", sorted(_OF_ALL_TENANTS))
def test_a_command_that_works_for_all_tenants_does_nothing_in_the_name_of_one(site: Site, command: str) -> None:
    before = site.of("south"), site.of("north")
    for line in CASES[command]:
        code, shown = site.run(line)
        assert code == 2
        assert "all tenants together" in shown
    assert (site.of("south"), site.of("north")) == before


def test_the_cases_reach_what_is_norths_own(site: Site) -> None:
    """Or they would show nothing."""
    assert "Made^Up" in site.run("find --json --level patient")[1]
    assert site.run(f"get {BOTH} -o out")[0] == 0
    assert len(list((site.folder / "out").rglob("*.dcm"))) == 1
    assert len(site.run("log received --json")[1].splitlines()) == 2
    assert site.run("copy --from storage --to other")[0] == 0
    assert len(site.of("north")["copies"]) == 2
    assert site.run(f"remove {BOTH} --yes")[0] == 0
    assert site.run("ingest --duplicates replace --jobs 1 files/as-south")[0] == 0
    assert "FORGERY-" in {row["PatientID"][:8] for row in site.of("north")["rows"][Level.PATIENT]}
    assert len(site.run("dead-letters list --json")[1].splitlines()) == 1
    assert site.run("dead-letters drop --all --yes")[0] == 0
    assert site.of("north")["letters"] == []
    assert site.run("keys destroy --tenant north --yes")[0] == 0
    assert site.run(f"get {THEIRS} -o out")[0] != 0
