"""A store that is unknown, refuses connections or is silent is said by the setting to check."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from s3_calls import WRONG, fails

from dicom_common.core import Secret, UnavailableError
from dicom_common.storage.s3 import Settings

QUICK: dict[str, Any] = {"attempts": 2, "deadline": 5.0, "connect_timeout": 1.0, "read_timeout": 1.0}


def test_an_unknown_host_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG)
    fails(
        Settings(bucket="images", endpoint="store.invalid", **QUICK), "correct the setting endpoint", UnavailableError
    )


def test_a_refused_connection_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(
        bucket="images", endpoint=f"127.0.0.1:{port}", access_key="k", secret_key=Secret(WRONG), **QUICK
    )
    fails(settings, "check the setting endpoint", UnavailableError)


def test_a_store_that_is_silent_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        limits = {**QUICK, "attempts": 1, "read_timeout": 0.2}
        settings = Settings(
            bucket="images", endpoint=f"127.0.0.1:{port}", access_key="k", secret_key=Secret(WRONG), **limits
        )
        fails(settings, "did not answer within read_timeout", UnavailableError)
