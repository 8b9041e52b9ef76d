"""A signed URL is for one object: nothing else of the store can be had with it, least of all another tenant's."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import pytest
from tenant_sites import opened, site_of

from dicom_common.core import SignedUrls, Storage
from dicom_common.host import Config, Services

OURS, THEIRS = "north/20260101/1.2/1.2.3/1.2.3.4.dcm", "south/20260101/1.2/1.2.3/1.2.3.4.dcm"
HIDDEN = "south/20260101/1.2/1.2.3/1.2.3.5.dcm"
STORES = [
    pytest.param(("storage", "s3"), id="s3", marks=pytest.mark.service("s3")),
    pytest.param(("storage", "s3"), id="signed-s3", marks=pytest.mark.service("signed-s3")),
    pytest.param(("storage", "azure"), id="azure", marks=pytest.mark.service("azure")),
]
"""Those that verify a signature. The test server of Google Cloud Storage does not: see below."""


@pytest.fixture
def storage(backend: tuple[str, str], request: pytest.FixtureRequest, data: Path) -> Iterator[Storage]:
    for services in opened(site_of(backend, request, data)):
        services.storage.write(OURS, b"bytes of north")
        for key in (THEIRS, HIDDEN):
            services.storage.write(key, b"bytes of south")
        yield services.storage


def asked(url: str, method: str = "GET") -> tuple[int, bytes]:
    """Send a request; return status and body."""
    request = urllib.request.Request(url, b"" if method == "PUT" else None, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def tampered(url: str) -> Iterator[str]:
    """Lead a URL somewhere else, by all of its parts."""
    parts = urlsplit(url)
    assert parts.path.endswith(OURS)
    base = parts.path.removesuffix(OURS)
    folder = OURS.rpartition("/")[0]
    steps = "../" * OURS.count("/")
    paths = [
        THEIRS,
        f"{folder}/{steps}{THEIRS}",
        f"{folder}/{quote(steps, safe='')}{THEIRS}",
        f"{folder}/{steps.replace('.', '%2e')}{THEIRS}",
        f"/{THEIRS}",
        f"./{THEIRS}",
        THEIRS.replace("s", "%73", 1),
        f"{THEIRS}?{OURS}",
        THEIRS.rpartition("/")[0] + "/",
        "",
    ]
    yield from (urlunsplit(parts._replace(path=base + path)) for path in paths)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in pairs:
        yield urlunsplit(parts._replace(path=base + THEIRS, query=urlencode([p for p in pairs if p[0] != name])))
        if value:
            other = value[:-1] + ("0" if value[-1] != "0" else "1")
            changed = [(n, other if n == name else v) for n, v in pairs]
            yield urlunsplit(parts._replace(path=base + THEIRS, query=urlencode(changed)))
    yield urlunsplit(parts._replace(path=base + THEIRS, query=""))
    listing = "list-type=2&prefix=south/&restype=container&comp=list"
    yield urlunsplit(parts._replace(path=base, query=f"{parts.query}&{listing}"))


@pytest.mark.parametrize("backend", STORES)
def test_a_url_for_one_tenants_object_gives_nothing_of_the_other(storage: Storage) -> None:
    assert isinstance(storage, SignedUrls)
    url = storage.signed_url(OURS, expires=60)
    assert asked(url) == (200, b"bytes of north")
    for other in tampered(url):
        status, body = asked(other)
        assert 400 <= status < 500, other
        assert b"bytes of" not in body
        assert HIDDEN.encode() not in body  # an error may repeat what was asked for, but lists nothing


@pytest.mark.parametrize("backend", STORES)
def test_a_url_for_reading_writes_and_deletes_nothing(storage: Storage) -> None:
    assert isinstance(storage, SignedUrls)
    url = storage.signed_url(OURS, expires=60)
    for target in (url, url.replace(OURS, THEIRS)):
        for method in ("PUT", "DELETE", "POST"):
            assert 400 <= asked(target, method)[0] < 500, method
    assert b"".join(storage.read(OURS)) == b"bytes of north"
    assert b"".join(storage.read(THEIRS)) == b"bytes of south"


@pytest.mark.parametrize("backend", STORES)
@pytest.mark.parametrize("key", ["north/../south/a.dcm", "../south/a.dcm", "/south/a.dcm", "north//a.dcm", "north/\0"])
def test_no_url_is_signed_for_what_is_no_key(storage: Storage, key: str) -> None:
    assert isinstance(storage, SignedUrls)
    with pytest.raises(ValueError, match="storage key"):
        storage.signed_url(key, expires=60)


@pytest.mark.service("gcs")
def test_a_url_of_google_cloud_storage_is_signed_for_its_object_only(
    request: pytest.FixtureRequest, data: Path
) -> None:
    """Its test server verifies nothing: what Google would compute is computed here."""
    site = site_of(("storage", "gcs"), request, data)
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    asymmetric = pytest.importorskip("cryptography.hazmat.primitives.asymmetric")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    invalid = pytest.importorskip("cryptography.exceptions").InvalidSignature
    key = asymmetric.rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"type": "service_account", "client_email": "tests@example", "token_uri": "http://127.0.0.1:9/token"}
    account |= {"private_key": pem, "project_id": "tests", "private_key_id": "1", "client_id": "1"}
    signing = site | {"storage.credentials": "auto", "storage.credentials_json": json.dumps(account)}
    with Services(Config.load(overrides=signing, variables={})) as services:
        assert isinstance(services.storage, SignedUrls)
        parts = urlsplit(services.storage.signed_url(OURS, expires=60))
    query = dict(parse_qsl(parts.query))
    signature = bytes.fromhex(query.pop("X-Goog-Signature"))
    canonical = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(query.items()))

    def verify(method: str, path: str) -> None:
        text = f"{method}\n{path}\n{canonical}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        scope = query["X-Goog-Credential"].removeprefix("tests@example/")
        hashed = hashlib.sha256(text.encode()).hexdigest()
        signed = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{hashed}".encode()
        key.public_key().verify(signature, signed, asymmetric.padding.PKCS1v15(), hashes.SHA256())

    verify("GET", parts.path)
    for method, path in [("GET", parts.path.replace(OURS, THEIRS)), ("PUT", parts.path), ("DELETE", parts.path)]:
        with pytest.raises(invalid):
            verify(method, path)
