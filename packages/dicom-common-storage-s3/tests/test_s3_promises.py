"""What the S3 storage promises beside the contract: its errors, its settings, large objects, signed URLs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer, ThreadingTCPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import trustme
import urllib3
from minio import Minio

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    ConfigError,
    DamagedError,
    HealthStatus,
    NotFoundError,
    RefusedError,
    Secret,
    UnavailableError,
    Write,
)
from dicom_common.core.tls import Tls
from dicom_common.storage.s3 import S3Storage, Settings

MIB = 1 << 20
SettingsOf = Callable[..., Settings]
WRONG = "wrong-and-very-secret"
QUICK: dict[str, Any] = {"attempts": 2, "deadline": 5.0, "connect_timeout": 1.0, "read_timeout": 1.0}

needs_minio = pytest.mark.service("s3")
needs_signatures = pytest.mark.service("s3-signatures")


@pytest.fixture
def storage(settings_of: SettingsOf) -> Iterator[S3Storage]:
    with closing(S3Storage(settings_of())) as storage:
        yield storage


def calls_of(storage: S3Storage) -> list[Callable[[], object]]:
    """Every way to reach the store, as calls that have to fail."""
    return [
        lambda: storage.write("a", b"x"),
        lambda: storage.write("a", b"x", if_absent=True),
        lambda: storage.write("a", bytes(9 * MIB)),
        lambda: storage.read("a"),
        lambda: storage.stat("a"),
        lambda: list(storage.scan()),
        lambda: storage.delete("a"),
    ]


def refused(settings: Settings, expected: str, *, calls: slice = slice(None)) -> None:
    """Expect one sentence that names the setting, from every call and from `check`, and no secret in it."""
    with closing(S3Storage(settings)) as storage:
        said = []
        for call in calls_of(storage)[calls]:
            with pytest.raises(RefusedError) as caught:
                call()
            said.append(str(caught.value))
        [answer] = storage.write_many([Write(key="a", source=b"x")])
        said.append(str(answer))
        health = storage.check()
        assert health.status is HealthStatus.FAILED
        said.append(health.detail)
    for sentence in said:
        assert expected in sentence
        assert WRONG not in sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")


# What is wrong with the settings, the key, the bucket


@needs_minio
def test_a_wrong_key_is_said(settings_of: SettingsOf) -> None:
    refused(settings_of(access_key="nobody"), "check the setting access_key")


@needs_minio
def test_a_wrong_secret_is_said(settings_of: SettingsOf) -> None:
    refused(settings_of(secret_key=Secret(WRONG)), "check the setting secret_key")


@needs_signatures
def test_another_store_checks_the_signature_too(settings_of: SettingsOf) -> None:
    with closing(S3Storage(settings_of(secret_key=Secret(WRONG)))) as storage, pytest.raises(RefusedError) as caught:
        storage.write("a", b"x")
    assert WRONG not in str(caught.value)


@needs_minio
def test_a_wrong_region_is_said(settings_of: SettingsOf) -> None:
    refused(settings_of(region="eu-north-7"), "check the setting region")


@needs_minio
def test_a_missing_bucket_is_said(settings_of: SettingsOf) -> None:
    refused(settings_of(bucket=f"missing-{uuid4().hex}"), "check the setting bucket")


@needs_minio
def test_a_session_token_that_is_none_is_said(settings_of: SettingsOf) -> None:
    refused(settings_of(session_token=Secret(WRONG)), "setting session_token")
