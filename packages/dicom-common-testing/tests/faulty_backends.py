"""A storage in a folder that works, and backends with a fault each; children of contract tests import them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    Health,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    Source,
    UnavailableError,
    Write,
    validate_key,
)


class FolderStorage:
    """Each object is a file whose name is the key in hex. Enough for the tests that are run on it."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.is_closed = False

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        validate_key(key)
        data = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else source.read()
        if sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise DamagedError("The bytes have another digest.")
        beside = self.root / f"{uuid4().hex}.new"
        beside.write_bytes(data)
        written = datetime.fromtimestamp(beside.stat().st_mtime, UTC)
        try:
            self.put(beside, self.file(key), if_absent=if_absent)
        finally:
            beside.unlink(missing_ok=True)
        return ObjectInfo(key=key, size=len(data), modified=written)

    def put(self, beside: Path, target: Path, *, if_absent: bool) -> None:
        try:
            if if_absent:
                os.link(beside, target)
            else:
                beside.replace(target)
        except FileExistsError:
            raise AlreadyExistsError("The object is there.") from None

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        try:
            data = self.file(key).read_bytes()
        except FileNotFoundError:
            raise NotFoundError("There is no such object.") from None
        wanted = data[start : None if length is None else start + length]
        return (wanted[at : at + (1 << 20)] for at in range(0, len(wanted), 1 << 20))

    def stat(self, key: str) -> ObjectInfo:
        try:
            found = self.file(key).stat()
        except FileNotFoundError:
            raise NotFoundError("There is no such object.") from None
        return ObjectInfo(key=key, size=found.st_size, modified=datetime.fromtimestamp(found.st_mtime, UTC))

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        names = (path.name for path in self.root.iterdir() if not path.name.endswith(".new"))
        for key in sorted((bytes.fromhex(name).decode() for name in names), key=str.encode):
            if key.startswith(prefix) and key.encode() > after.encode():
                with suppress(NotFoundError):
                    yield self.stat(key)

    def delete(self, key: str) -> None:
        self.file(key).unlink(missing_ok=True)

    def check(self) -> Health:
        return Health(status=HealthStatus.FAILED if self.is_closed else HealthStatus.OK, detail="a folder")

    def close(self) -> None:
        self.is_closed = True

    def file(self, key: str) -> Path:
        if self.is_closed:
            raise UnavailableError("The storage is closed.")
        return self.root / validate_key(key).encode().hex()


class CheatingStorage(FolderStorage):
    """Deletes what is there, then takes its time, then writes."""

    def put(self, beside: Path, target: Path, *, if_absent: bool) -> None:
        if not if_absent:
            target.unlink(missing_ok=True)
            time.sleep(0.05)
        super().put(beside, target, if_absent=if_absent)


class FailingElsewhere(FolderStorage):
    """Fails at the third write of a child process."""

    writes = 0

    def put(self, beside: Path, target: Path, *, if_absent: bool) -> None:
        self.writes += 1
        if self.writes > 2 and multiprocessing.parent_process() is not None:
            raise BackendError("the third write of a child fails")
        super().put(beside, target, if_absent=if_absent)


class BatchingStorage(FolderStorage):
    def write_many(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        return [self.write(each.key, each.source, if_absent=each.if_absent, sha256=each.sha256) for each in writes]


class HangingCheck(FolderStorage):
    def check(self) -> Health:
        time.sleep(60)
        return super().check()


class SlowBroker:
    """Says that its server is away, but takes its time for it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def away(self, *_: object, **__: object) -> None:
        raise UnavailableError("The server is away.")

    publish = consume = backlog = create_topics = away

    def check(self) -> Health:
        time.sleep(self.seconds)
        return Health(status=HealthStatus.FAILED, detail="away")

    def close(self) -> None:
        pass
