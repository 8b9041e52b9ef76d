from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dicom_common.certs import (
    Authority,
    KeyType,
    Trust,
    Usage,
    describe,
    read_certificate,
    read_key,
    read_revocations,
    verify,
    write_certificate,
    write_issued,
    write_revocations,
)
from dicom_common.core import AlreadyExistsError, AuthenticationError, ConfigError, NotFoundError, Secret

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority.create("Our site", now=NOW)


@pytest.fixture(scope="module")
def other() -> Authority:
    return Authority.create("Our site", now=NOW)


def trust(*authorities: Authority, revocations: x509.CertificateRevocationList | None = None) -> Trust:
    return Trust(authorities=[authority.certificate for authority in authorities], revocations=revocations)


@pytest.mark.parametrize("usage", Usage)
def test_a_certificate_is_good_for_its_usage_and_no_other(ours: Authority, usage: Usage) -> None:
    issued = ours.issue(["db.hospital.example", "10.0.0.7"], usage, now=NOW)
    assert verify(issued.certificate, trust(ours), usage, now=NOW) == ["db.hospital.example", "10.0.0.7"]
    for another in set(Usage) - {usage}:
        with pytest.raises(AuthenticationError, match="usage"):
            verify(issued.certificate, trust(ours), another, now=NOW)


def test_the_certificate_of_an_authority_is_good_for_no_usage(ours: Authority) -> None:
    for usage in Usage:
        with pytest.raises(AuthenticationError):
            verify(ours.certificate, trust(ours), usage, now=NOW)


def test_a_file_that_cannot_be_written_is_told_by_its_own_name(ours: Authority, tmp_path: Path) -> None:
    (tmp_path / "in-the-way").touch()
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "in-the-way" / "ca.pem", tmp_path / "folder"):
        with pytest.raises(ConfigError, match=f"{file} cannot be written"):
            write_certificate(ours.certificate, file, force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"in-the-way", "folder"}


def test_a_certificate_does_not_vouch_for_itself(ours: Authority) -> None:
    issued = ours.issue(["db.hospital.example"], Usage.SERVER, now=NOW).certificate
    revocations = ours.revoke([issued], now=NOW)
    for listed in (None, revocations):
        itself = Trust(authorities=[issued], revocations=listed)
        with pytest.raises(AuthenticationError, match="given as an authority"):
            verify(issued, itself, Usage.SERVER, now=NOW)


def test_a_reason_is_told_without_the_frame_of_the_library_below(ours: Authority) -> None:
    issued = ours.issue(["db.hospital.example"], Usage.SERVER, now=NOW).certificate
    with pytest.raises(AuthenticationError) as found:
        verify(issued, trust(ours), Usage.CLIENT, now=NOW)
    assert str(found.value) == "The certificate is not good: it is not for the usage client."


def test_a_certificate_of_another_authority_of_the_same_name_is_refused(ours: Authority, other: Authority) -> None:
    issued = other.issue(["db.hospital.example"], Usage.SERVER, now=NOW)
    with pytest.raises(AuthenticationError):
        verify(issued.certificate, trust(ours), Usage.SERVER, now=NOW)
    verify(issued.certificate, trust(ours, other), Usage.SERVER, now=NOW)
    with pytest.raises(ConfigError, match="No authority"):
        verify(issued.certificate, trust(), Usage.SERVER, now=NOW)


def test_who_has_a_certificate_cannot_issue_others(ours: Authority) -> None:
    issued = ours.issue(["db.hospital.example"], Usage.SERVER, now=NOW)
    forger = Authority(certificate=issued.certificate, key=issued.key)
    with pytest.raises(ConfigError):
        forger.issue(["evil.example"], Usage.SERVER, now=NOW)


def test_a_certificate_of_a_small_rsa_key_is_refused(ours: Authority) -> None:
    issued = ours.issue(["db.hospital.example"], Usage.SERVER, now=NOW).certificate
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    builder = x509.CertificateBuilder(issued.issuer, issued.subject, small.public_key(), issued.serial_number)
    builder = builder.not_valid_before(issued.not_valid_before_utc).not_valid_after(issued.not_valid_after_utc)
    for extension in issued.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    weak = builder.sign(ours.key, hashes.SHA256())
    with pytest.raises(AuthenticationError, match="2048"):
        verify(weak, trust(ours), Usage.SERVER, name="db.hospital.example", now=NOW)


@pytest.mark.parametrize(
    ("moment", "good"),
    [(NOW - 2 * DAY, False), (NOW, True), (NOW + 397 * DAY, True), (NOW + 399 * DAY, False)],
)
def test_the_dates_count(ours: Authority, moment: datetime, good: bool) -> None:
    issued = ours.issue(["db.hospital.example"], Usage.SERVER, now=NOW)
    if good:
        verify(issued.certificate, trust(ours), Usage.SERVER, now=moment)
    else:
        with pytest.raises(AuthenticationError, match="dates"):
            verify(issued.certificate, trust(ours), Usage.SERVER, now=moment)


@pytest.mark.parametrize(
    ("usage", "name", "good"),
    [
        (Usage.SERVER, "db.hospital.example", True),
        (Usage.SERVER, "10.0.0.7", True),
        (Usage.SERVER, "a.web.example", True),
        (Usage.SERVER, "a.b.web.example", False),
        (Usage.SERVER, "hospital.example", False),
        (Usage.SERVER, "10.0.0.8", False),
        (Usage.CLIENT, "DB.hospital.example", True),
        (Usage.CLIENT, "hospital.example", False),
    ],
)
def test_the_name_counts(ours: Authority, usage: Usage, name: str, good: bool) -> None:
    names = ["db.hospital.example", "10.0.0.7", *(["*.web.example"] if usage is Usage.SERVER else [])]
    issued = ours.issue(names, usage, now=NOW)
    if good:
        verify(issued.certificate, trust(ours), usage, name=name, now=NOW)
    else:
        with pytest.raises(AuthenticationError):
            verify(issued.certificate, trust(ours), usage, name=name, now=NOW)


def test_an_authority_of_a_domain_issues_for_no_other() -> None:
    limited = Authority.create("Limited", permitted_dns=["hospital.example"], now=NOW)
    limited.issue(["db.hospital.example"], Usage.SERVER, now=NOW)
    for usage in (Usage.SERVER, Usage.CLIENT):
        with pytest.raises(ConfigError, match="domains"):
            limited.issue(["db.clinic.example"], usage, now=NOW)


@pytest.mark.parametrize(
    "names", [[], ["-x"], ["a b"], ["*.example"], ["ä.example"], ["x" * 64], ["a@"], [""], ["a\nb"], ["10.0.0.7/8"]]
)
def test_what_is_no_name_is_refused(ours: Authority, names: list[str]) -> None:
    with pytest.raises(ConfigError, match="name"):
        ours.issue(names, Usage.CLIENT, now=NOW)


def test_limits_of_validity_are_kept(ours: Authority) -> None:
    for days in (0, 399):
        with pytest.raises(ConfigError, match="398"):
            ours.issue(["a.example"], Usage.CLIENT, days=days, now=NOW)
    with pytest.raises(ConfigError, match="3650"):
        Authority.create("x", days=3651)
    late = ours.certificate.not_valid_after_utc - DAY
    assert ours.issue(["a.example"], Usage.CLIENT, now=late).certificate.not_valid_after_utc == late + DAY
    with pytest.raises(ConfigError, match="expired"):
        ours.issue(["a.example"], Usage.CLIENT, now=late + 2 * DAY)


@pytest.mark.parametrize(
    ("key_type", "kind"), [("ec-p256", ec.EllipticCurvePrivateKey), ("rsa-3072", rsa.RSAPrivateKey)]
)
def test_a_renewed_certificate_is_the_same_with_another_key(ours: Authority, key_type: str, kind: type) -> None:
    names = ["worker-1.hospital.example", "10.0.0.7"]
    issued = ours.issue(names, Usage.CLIENT, key_type=KeyType(key_type), days=90, now=NOW)
    renewed = ours.renew(issued.certificate, now=NOW + 80 * DAY)
    assert isinstance(renewed.key, kind)
    assert renewed.key.public_key() != issued.key.public_key()
    assert renewed.certificate.serial_number != issued.certificate.serial_number
    assert verify(renewed.certificate, trust(ours), Usage.CLIENT, now=NOW + 160 * DAY) == names
    with pytest.raises(ConfigError, match="usage"):
        ours.renew(ours.certificate)


def test_a_certificate_of_another_authority_is_neither_renewed_nor_revoked(ours: Authority, other: Authority) -> None:
    foreign = other.issue(["a.example"], Usage.CLIENT, now=NOW).certificate
    with pytest.raises(ConfigError, match="did not issue"):
        ours.renew(foreign)
    with pytest.raises(ConfigError, match="did not issue"):
        ours.revoke([foreign])
    with pytest.raises(ConfigError, match="not of the authority"):
        ours.revoke([], before=other.revoke([foreign], now=NOW))


def test_a_revoked_certificate_is_refused_and_stays_so(ours: Authority, other: Authority) -> None:
    first, second, good = (ours.issue([f"{n}.example"], Usage.CLIENT, now=NOW).certificate for n in "abc")
    revocations = ours.revoke([second], before=ours.revoke([first], now=NOW), now=NOW)
    verify(good, trust(ours, revocations=revocations), Usage.CLIENT, now=NOW)
    for certificate in (first, second):
        with pytest.raises(AuthenticationError, match="revoked"):
            verify(certificate, trust(ours, revocations=revocations), Usage.CLIENT, now=NOW)
    with pytest.raises(AuthenticationError, match="run out"):
        verify(good, trust(ours, revocations=revocations), Usage.CLIENT, now=NOW + 31 * DAY)
    with pytest.raises(ConfigError, match="not of the authority"):
        verify(good, trust(ours, revocations=other.revoke([], now=NOW)), Usage.CLIENT, now=NOW)


def test_files_hold_what_was_written_and_only_the_owner_reads_a_key(ours: Authority, tmp_path: Path) -> None:
    issued = ours.issue(["a.example"], Usage.CLIENT, now=NOW)
    certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
    write_issued(issued, certificate, key)
    assert (key.stat().st_mode & 0o777, certificate.stat().st_mode & 0o777) == (0o600, 0o644)
    assert read_certificate(certificate) == issued.certificate
    assert read_key(key).public_key() == issued.key.public_key()
    before = key.read_bytes()
    certificate.unlink()
    with pytest.raises(AlreadyExistsError, match=r"a\.key"):
        write_issued(ours.renew(issued.certificate), certificate, key)
    assert (key.read_bytes(), certificate.exists()) == (before, False)
    write_issued(ours.renew(issued.certificate), certificate, key, force=True)
    assert key.read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.key", "a.pem"]
    revocations = ours.revoke([issued.certificate])
    write_revocations(revocations, tmp_path / "crl.pem")
    assert read_revocations(tmp_path / "crl.pem") == revocations


def test_a_key_with_a_passphrase_is_read_with_it_only(ours: Authority, tmp_path: Path) -> None:
    issued = ours.issue(["a.example"], Usage.SIGNING, now=NOW)
    key = tmp_path / "a.key"
    write_issued(issued, tmp_path / "a.pem", key, passphrase=Secret("correct-horse"))
    assert b"ENCRYPTED" in key.read_bytes()
    assert read_key(key, Secret("correct-horse")).public_key() == issued.key.public_key()
    for given in (None, Secret("battery-staple")):
        with pytest.raises(ConfigError, match="passphrase") as caught:
            read_key(key, given)
        assert "staple" not in str(caught.value)
    with pytest.raises(ConfigError, match="empty"):
        write_issued(issued, tmp_path / "b.pem", tmp_path / "b.key", passphrase=Secret(""))


def test_a_file_that_is_not_what_it_should_be_is_named(ours: Authority, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.pem"):
        read_certificate(tmp_path / "none.pem")
    with pytest.raises(NotFoundError, match="no folder"):
        write_certificate(ours.certificate, tmp_path / "none" / "ca.pem")
    (tmp_path / "garbage").write_bytes(b"\x00garbage")
    for read in (read_certificate, read_key, read_revocations):
        with pytest.raises(ConfigError, match="garbage has no"):
            read(tmp_path / "garbage")
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AlreadyExistsError):
        write_issued(ours, tmp_path / "ca.pem", tmp_path / "link.key")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_shown_of_a_pair_has_no_key(ours: Authority) -> None:
    issued = ours.issue(["a.example"], Usage.CLIENT, now=NOW)
    assert "key" not in repr(issued).lower()
    assert "key" not in repr(ours).lower()
    shown = describe(issued.certificate)
    assert (shown["subject"], shown["names"], shown["usage"]) == ("a.example", ["a.example"], Usage.CLIENT)
    assert describe(ours.certificate)["authority"] is True


def test_a_pair_must_be_one(ours: Authority, other: Authority) -> None:
    with pytest.raises(ConfigError, match="does not belong"):
        Authority(certificate=ours.certificate, key=other.key)


def test_openssl_comes_to_the_same_verdicts(tmp_path: Path) -> None:
    ours = Authority.create("Our site")
    write_certificate(ours.certificate, tmp_path / "ca.pem")
    server, client = (ours.issue(["db.hospital.example"], usage) for usage in (Usage.SERVER, Usage.CLIENT))
    write_certificate(server.certificate, tmp_path / "server.pem")
    write_certificate(client.certificate, tmp_path / "client.pem")
    write_revocations(ours.revoke([client.certificate]), tmp_path / "crl.pem")

    def accepts(file: str, *options: str) -> bool:
        words = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", *options, file]
        try:
            return subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, timeout=60).returncode == 0
        except FileNotFoundError:
            pytest.skip("no openssl on this machine")

    assert accepts("server.pem", "-purpose", "sslserver", "-verify_hostname", "db.hospital.example")
    assert not accepts("server.pem", "-purpose", "sslclient")
    assert accepts("client.pem", "-purpose", "sslclient")
    assert not accepts("client.pem", "-purpose", "sslserver")
    assert not accepts("client.pem", "-crl_check", "-CRLfile", "crl.pem")
    assert accepts("server.pem", "-crl_check", "-CRLfile", "crl.pem")
