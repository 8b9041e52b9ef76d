"""Signatures and signed URLs: the host and path they name, for what and for how long they work."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import pytest
import urllib3
from s3_calls import WRONG, SettingsOf, calls_of, needs_minio, needs_signatures

from dicom_common.core import RefusedError, Secret
from dicom_common.storage.s3 import S3Storage, Settings


@needs_signatures
def test_another_store_checks_signatures_too(settings_of: SettingsOf) -> None:
    with closing(S3Storage(settings_of())) as storage:
        storage.write("a/é +%", b"x")
        assert b"".join(storage.read("a/é +%")) == b"x"
        assert [found.key for found in storage.scan("a/é +")] == ["a/é +%"]
        with urllib3.PoolManager() as http:
            url = storage.signed_url("a/é +%", expires=60)
            assert http.request("GET", url).data == b"x"
            assert http.request("GET", url[:-4] + "beef").status == 403
    with closing(S3Storage(settings_of(secret_key=Secret(WRONG)))) as storage:
        for call in calls_of(storage):
            with pytest.raises(RefusedError) as caught:
                call()
            assert WRONG not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "https://images.s3.us-east-1.amazonaws.com/a/%C3%A9%20%2B?"),
        ({"addressing": "path"}, "https://s3.us-east-1.amazonaws.com/images/a/%C3%A9%20%2B?"),
        ({"endpoint": "store.example:9000"}, "https://store.example:9000/images/a/%C3%A9%20%2B?"),
        ({"endpoint": "store.example", "addressing": "virtual"}, "https://images.store.example/a/%C3%A9%20%2B?"),
        ({"prefix": "p/q"}, "https://images.s3.us-east-1.amazonaws.com/p/q/a/%C3%A9%20%2B?"),
    ],
)
def test_the_bucket_is_in_the_host_or_in_the_path(changed: dict[str, Any], expected: str) -> None:
    settings = Settings(**{"bucket": "images", "access_key": "k", "secret_key": Secret("s"), **changed})
    with closing(S3Storage(settings)) as storage:
        assert storage.signed_url("a/é +", expires=60).startswith(expected)


@needs_minio
def test_a_signed_url_works_for_its_time_and_for_its_object(storage: S3Storage) -> None:
    storage.write("a", b"the object")
    storage.write("b", b"another")
    with urllib3.PoolManager() as http:
        url = storage.signed_url("a", expires=5)
        assert http.request("GET", url).data == b"the object"
        assert http.request("GET", url.replace("/a?", "/b?")).status == 403
        assert http.request("PUT", url, body=b"x").status == 403
        end = time.monotonic() + 60
        while http.request("GET", url).status != 403:
            assert time.monotonic() < end, "it does not expire"
            time.sleep(0.1)
