"""Settings: what is refused, how the store is reached, and where credentials come from."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from s3_calls import SettingsOf, fails, needs_minio

from dicom_common.core import ConfigError, Secret
from dicom_common.core.tls import Tls
from dicom_common.storage.s3 import S3Storage, Settings


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"bucket": "Images"}, "setting bucket"),
        ({"bucket": "a/b"}, "setting bucket"),
        ({"access_key": "k"}, "belong together"),
        ({"secret_key": Secret("s")}, "belong together"),
        ({"session_token": Secret("t")}, "needs access_key"),
        ({"region": ""}, "setting region"),
        ({"endpoint": "http://store.example"}, "begins with http://"),
        ({"endpoint": "https://store.example", "tls": Tls(mode="off")}, "tls.mode is 'off'"),
        ({"endpoint": "https://store.example/bucket"}, "a setting of its own"),
        ({"endpoint": "ftp://store.example"}, "setting endpoint"),
        ({"endpoint": "store.example:port"}, "setting endpoint"),
        ({"endpoint": "https://user:word@store.example"}, "setting endpoint"),
        ({"prefix": "../up"}, "setting prefix"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Settings(**{"bucket": "images", **changed})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "https://s3.us-east-1.amazonaws.com"),
        ({"region": "eu-central-1"}, "https://s3.eu-central-1.amazonaws.com"),
        ({"endpoint": "store.example"}, "https://store.example"),
        ({"endpoint": "store.example:9000/", "tls": Tls(mode="off")}, "http://store.example:9000"),
        ({"endpoint": "localhost:9000"}, "http://localhost:9000"),
        ({"endpoint": "http://[::1]:9000"}, "http://[::1]:9000"),
        ({"endpoint": "localhost:9000", "tls": Tls(mode="on")}, "https://localhost:9000"),
    ],
)
def test_what_is_not_this_machine_is_reached_by_tls(changed: dict[str, Any], expected: str) -> None:
    assert Settings(**{"bucket": "images", **changed}).url.geturl() == expected


@needs_minio
def test_credentials_come_from_the_environment_or_a_file(
    settings_of: SettingsOf, service_options: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    nothing = {"access_key": None, "secret_key": None}
    key, secret = service_options["access_key"], service_options["secret_key"]
    file = tmp_path / "credentials"
    file.write_text(f"[archive]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    with closing(S3Storage(settings_of(**nothing, credentials_file=file, profile="archive"))) as storage:
        storage.write("a", b"by the file")
    fails(settings_of(**nothing, credentials_file=file, profile="other"), "set access_key and secret_key")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with closing(S3Storage(settings_of(**nothing))) as storage:
        assert b"".join(storage.read("a")) == b"by the file"
