"""`certs`: a small site's authority, by the real command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_common.testing import CommandAnswer, run_command

Command = Callable[..., CommandAnswer]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command as it is typed in an empty folder."""
    return lambda *arguments, **options: run_command(*arguments, cwd=tmp_path, **options)


@pytest.fixture
def site(command: Command) -> Command:
    """The command, in a folder with an authority."""
    assert command("certs", "init-ca", "Our site", "--ca", "ca").code == 0
    return command


def _issue(site: Command, name: str, usage: str, *options: str) -> None:
    answer = site("certs", "issue", name, "--usage", usage, "--ca", "ca", "--json", *options)
    assert answer.code == 0, answer
    assert (answer.lines[0]["names"], answer.lines[0]["usage"]) == ([name], usage)


def test_a_certificate_is_issued_verified_and_revoked(site: Command, tmp_path: Path) -> None:
    _issue(site, "worker.example", "client")
    assert (tmp_path / "worker.example.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600
    words = ("certs", "verify", "worker.example.pem", "--trust", "ca/ca.pem", "--json")
    good = site(*words, "--usage", "client", "--name", "worker.example")
    assert (good.code, good.lines) == (0, [{"good": True, "names": ["worker.example"], "reason": ""}])
    for options in (("--usage", "server"), ("--usage", "client", "--name", "other.example")):
        bad = site(*words, *options)
        assert (bad.code, bad.lines[0]["good"]) == (1, False)
    assert site("certs", "revoke", "worker.example.pem", "--ca", "ca", "--json").lines[0]["revoked"] == 1
    revoked = site(*words, "--usage", "client", "--crl", "ca/crl.pem")
    assert (revoked.code, revoked.lines[0]["reason"]) == (1, "The certificate is revoked.")


def test_a_renewal_replaces_files_only_when_it_is_told_to(site: Command, tmp_path: Path) -> None:
    _issue(site, "db.example", "server")
    before = {path: path.read_bytes() for path in tmp_path.glob("db.example.*")}
    for words in (("issue", "db.example", "--usage", "server"), ("renew", "db.example.pem")):
        site("certs", *words, "--ca", "ca").fails_with_one_line("db.example", "there already")
    site("certs", "init-ca", "Another", "--ca", "ca").fails_with_one_line("ca.key", "there already")
    assert {path: path.read_bytes() for path in tmp_path.glob("db.example.*")} == before
    assert site("certs", "renew", "db.example.pem", "--ca", "ca", "--force").code == 0
    assert all(path.read_bytes() != content for path, content in before.items())
    assert site("certs", "show", "db.example.pem", "--json").lines[0]["names"] == ["db.example"]


def test_a_file_is_signed_and_a_change_of_it_shows(site: Command, tmp_path: Path) -> None:
    _issue(site, "archive.example", "signing")
    file = tmp_path / "export"
    file.write_bytes(b"images")
    pair = ("--certificate", "archive.example.pem", "--key", "archive.example.key")
    assert site("certs", "sign", "export", *pair).out == "export.sig\n"
    good = site("certs", "verify-signature", "export", "--trust", "ca/ca.pem", "--json")
    assert (good.code, good.lines[0]["names"]) == (0, ["archive.example"])
    file.write_bytes(b"other images")
    bad = site("certs", "verify-signature", "export", "--trust", "ca/ca.pem", "--json")
    assert (bad.code, bad.lines[0]["good"]) == (1, False)


def test_a_file_is_encrypted_to_a_certificate_and_decrypted(site: Command, tmp_path: Path) -> None:
    _issue(site, "research.example", "encryption")
    (tmp_path / "export").write_bytes(b"images")
    assert site("certs", "encrypt", "export", "--to", "research.example.pem", "--trust", "ca/ca.pem").code == 0
    decrypt = ("certs", "decrypt", "export.sealed", "--key", "research.example.key", "--output", "plain")
    assert site(*decrypt).code == 0
    assert (tmp_path / "plain").read_bytes() == b"images"
    assert (tmp_path / "plain").stat().st_mode & 0o777 == 0o600
    sealed = (tmp_path / "export.sealed").read_bytes()
    (tmp_path / "export.sealed").write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    (tmp_path / "plain").unlink()
    site(*decrypt).fails_with_one_line("not what it was")
    assert not (tmp_path / "plain").exists()


def test_the_passphrase_of_the_authority_comes_from_a_variable_or_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("correct-horse\n")
    secret = {"CA_PASSPHRASE": "correct-horse"}
    by_variable = ("--passphrase-env", "CA_PASSPHRASE")
    assert command("certs", "init-ca", "Site", "--ca", "ca", *by_variable, variables=secret).code == 0
    issue = ("certs", "issue", "a.example", "--usage", "client", "--ca", "ca")
    command(*issue).fails_with_one_line("ca.key", "passphrase")
    command(*issue, *by_variable).fails_with_one_line("CA_PASSPHRASE", "not set")
    wrong = command(*issue, *by_variable, variables={"CA_PASSPHRASE": "battery-staple"})
    wrong.fails_with_one_line("passphrase")
    assert "staple" not in wrong.err
    assert command(*issue, "--passphrase-file", "passphrase").code == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "There is no file"), (b"", "is empty"), (b"\n", "is empty"), (b"correct-horse \xff", "UTF-8")],
)
def test_a_passphrase_file_that_cannot_be_one_is_told_by_name(
    command: Command, tmp_path: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "passphrase").write_bytes(content)
    answer = command("--verbose", "certs", "init-ca", "Site", "--ca", "ca", "--passphrase-file", "passphrase")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("dicom-common: ")
    assert told in answer.err.splitlines()[0]
    assert "passphrase of --passphrase-file" in answer.err.splitlines()[0]
    assert "horse" not in answer.err
    assert not (tmp_path / "ca").exists()


def test_certificates_are_shown_in_one_table(site: Command) -> None:
    for name in ("a.example", "b.example"):
        _issue(site, name, "client")
    shown = site("certs", "show", "a.example.pem", "b.example.pem", "ca/ca.pem").out.splitlines()
    assert [line.split()[0] for line in shown] == ["file", "a.example.pem", "b.example.pem", "ca/ca.pem"]
