"""TLS to the store is verified."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from s3_calls import MIB, SettingsOf, fails, needs_minio

from dicom_common.core import HealthStatus
from dicom_common.core.tls import Tls
from dicom_common.storage.s3 import S3Storage
from dicom_common.testing import Endpoint, FaultProxy, health_of


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_proxy(service_endpoint: Endpoint, authority: trustme.CA) -> Iterator[FaultProxy]:
    """TLS in front of the store: nothing else is changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with FaultProxy(service_endpoint, style="s3", tls=context) as proxy:
        yield proxy


@needs_minio
def test_tls_is_verified_and_then_works(
    settings_of: SettingsOf, secure_proxy: FaultProxy, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    port = secure_proxy.endpoint.port
    trusted = Tls(mode="on", ca=ca)
    with closing(S3Storage(settings_of(endpoint=f"localhost:{port}", tls=trusted))) as storage:
        storage.write("small", b"x", if_absent=True)
        storage.write("large", bytes(20 * MIB), if_absent=True)
        assert len(b"".join(storage.read("large"))) == 20 * MIB
        assert storage.signed_url("small", expires=9).startswith(f"https://localhost:{port}/")
        assert health_of(storage).status is HealthStatus.OK
    fails(settings_of(endpoint=f"localhost:{port}", tls=Tls(mode="on")), "in the setting tls.ca")
    fails(settings_of(endpoint=f"https://127.0.0.1:{port}", tls=trusted), "the host in the setting endpoint")
