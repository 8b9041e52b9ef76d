"""Every way to reach an S3 store, and what is expected of all of them where one setting is wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from dicom_common.core import BackendError, HealthStatus, RefusedError, Write
from dicom_common.storage.s3 import S3Storage, Settings
from dicom_common.testing import health_of

__all__ = ["MIB", "WRONG", "SettingsOf", "calls_of", "fails", "needs_minio", "needs_signatures"]

MIB = 1 << 20
SettingsOf = Callable[..., Settings]
WRONG = "wrong-and-very-secret"

needs_minio = pytest.mark.service("s3")
needs_signatures = pytest.mark.service("signed-s3")


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


def fails(settings: Settings, expected: str, kind: type[BackendError] = RefusedError) -> None:
    """Expect one sentence that names the setting, from every call and from `check`, and no secret in it."""
    said = []
    with closing(S3Storage(settings)) as storage:
        for call in calls_of(storage):
            with pytest.raises(kind) as caught:
                call()
            said.append(str(caught.value))
        [answer] = storage.write_many([Write(key="a", source=b"x")])
        said.append(str(answer))
        health = health_of(storage)
        assert health.status is HealthStatus.FAILED
        said.append(health.detail)
    for sentence in said:
        assert expected in sentence
        assert WRONG not in sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")
