"""TLS towards the server: what is verified, proven with a server that has the wrong certificate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from dicom_common.core import ConfigError, RefusedError
from dicom_common.core.tls import Tls
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.testing import health_of

pytestmark = pytest.mark.kills

HOST = "127.0.0.1"
OTHER_NAME = "127.0.0.2"  # the same server, under a name that is not in its certificate


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(ca: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    """The authority's certificate, that of another authority, and a client's certificate and key."""
    made = {name: tmp_path / f"{name}.pem" for name in ("ca", "other", "certificate", "key")}
    ca.cert_pem.write_to_path(made["ca"])
    trustme.CA().cert_pem.write_to_path(made["other"])
    client = ca.issue_cert("client@example.org")
    client.cert_chain_pems[0].write_to_path(made["certificate"])
    client.private_key_pem.write_to_path(made["key"])
    return made


@pytest.fixture
def secure_server(ca: trustme.CA, installed: Any, private_server: Callable[..., Any]) -> Any:
    issued = ca.issue_cert(HOST)
    parts = {"ca": ca.cert_pem, "cert": issued.cert_chain_pems[0], "key": issued.private_key_pem}
    return private_server(
        *(f"--ssl-{name}={installed.put(f'{name}.pem', part.bytes())}" for name, part in parts.items())
    )


def refused(settings: Settings) -> str:
    with pytest.raises(RefusedError) as caught:
        MysqlDatabase(settings)
    return str(caught.value)


def at(server: Any, host: str = HOST, **tls: Any) -> Settings:
    return Settings(host=host, port=server.port, user="root", tls=Tls(mode="on", **tls))


def test_a_verified_server_is_used_by_tls(secure_server: Any, files: dict[str, Path]) -> None:
    with closing(MysqlDatabase(at(secure_server, ca=files["ca"]))) as database:
        assert str(health_of(database).facts["tls"]).startswith("TLSv1.")


def test_a_certificate_for_another_name_is_refused(secure_server: Any, files: dict[str, Path]) -> None:
    assert "certificate" in refused(at(secure_server, OTHER_NAME, ca=files["ca"]))
    assert "db.host" in refused(at(secure_server, OTHER_NAME, ca=files["ca"]))


def test_a_certificate_of_an_unknown_authority_is_refused(secure_server: Any, files: dict[str, Path]) -> None:
    assert "db.tls.ca" in refused(at(secure_server, ca=files["other"]))
    assert "db.tls.ca" in refused(at(secure_server))  # and the system's authorities do not know it either


def test_a_certificate_that_signed_itself_is_refused(installed: Any, private_server: Callable[..., Any]) -> None:
    itself = trustme.CA()
    parts = {"cert": itself.cert_pem, "key": itself.private_key_pem}
    server = private_server(
        *(f"--ssl-{name}={installed.put(f'{name}.pem', part.bytes())}" for name, part in parts.items())
    )
    assert "db.tls.ca" in refused(at(server))


def test_a_server_that_asks_for_a_certificate_gets_ours(secure_server: Any, files: dict[str, Path]) -> None:
    secure_server.run("CREATE OR REPLACE USER strict REQUIRE X509", "GRANT ALL ON dicom_common.* TO strict")
    settings = replace(at(secure_server, ca=files["ca"]), user="strict")
    assert "db.user" in refused(settings)
    ours = Tls(mode="on", ca=files["ca"], certificate=files["certificate"], key=files["key"])
    MysqlDatabase(replace(settings, tls=ours)).close()


def test_a_file_that_is_not_there_is_named(secure_server: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.pem of tls\.ca"):
        MysqlDatabase(at(secure_server, ca=tmp_path / "absent.pem"))


def test_a_server_without_tls_is_refused(private_server: Callable[..., Any], files: dict[str, Path]) -> None:
    server = private_server("--skip-ssl")
    assert "db.tls.mode" in refused(at(server, ca=files["ca"]))
