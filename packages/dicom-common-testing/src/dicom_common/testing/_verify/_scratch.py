"""A live backend, opened so that tests see nothing of what is in it and leave nothing behind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from dicom_common.core import (
    RESERVED_SEGMENT,
    BackendError,
    BatchWrites,
    Cache,
    Health,
    LocalFiles,
    ObjectInfo,
    OpenObject,
    OpenObjects,
    Source,
    Storage,
    Upload,
    Uploads,
    Write,
)

__all__ = ["ABILITIES", "ScratchCache", "empty", "scratch_storage", "sees"]

_AT_ONCE = 8
"""How many objects are deleted at the same time."""


class ScratchStorage:
    """A storage below a prefix. Only keys change: every promise is the inner storage's own."""

    def __init__(self, inner: Storage, prefix: str) -> None:
        self._inner: Any = inner
        self._prefix = prefix

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        return self._outside(self._inner.write(self._inside(key), source, if_absent=if_absent, sha256=sha256))

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._inner.read(self._inside(key), start=start, length=length)  # type: ignore[no-any-return]  # a Storage

    def stat(self, key: str) -> ObjectInfo:
        return self._outside(self._inner.stat(self._inside(key)))

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        if not prefix.startswith(RESERVED_SEGMENT):
            behind = self._prefix + after if after else ""
            yield from map(self._outside, self._inner.scan(self._prefix + prefix, after=behind))

    def delete(self, key: str) -> None:
        self._inner.delete(self._inside(key))

    def check(self) -> Health:
        return self._inner.check()  # type: ignore[no-any-return]  # a Storage

    def close(self) -> None:
        self._inner.close()

    def _inside(self, key: str) -> str:
        if key.partition("/")[0] == RESERVED_SEGMENT:  # below a prefix it would be a key like any other
            raise ValueError(f"a storage key does not begin with {RESERVED_SEGMENT!r}")
        return self._prefix + key

    def _outside(self, info: ObjectInfo) -> ObjectInfo:
        return replace(info, key=info.key.removeprefix(self._prefix))


class _Batches(ScratchStorage):
    def write_many(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        answers = self._inner.write_many([replace(write, key=self._inside(write.key)) for write in writes])
        return [self._outside(answer) if isinstance(answer, ObjectInfo) else answer for answer in answers]


class _Upload:
    def __init__(self, inner: Upload, storage: ScratchStorage) -> None:
        self._inner, self._storage = inner, storage

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._inner.write(data)

    def commit(self, key: str, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        inside = self._storage._inside(key)  # noqa: SLF001  # of this module
        return self._storage._outside(self._inner.commit(inside, if_absent=if_absent, sha256=sha256))  # noqa: SLF001  # same

    def abort(self) -> None:
        self._inner.abort()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)  # type: ignore[arg-type]  # as it was given


class _Uploads(ScratchStorage):
    def open_upload(self) -> Upload:
        return _Upload(self._inner.open_upload(), self)


class _OpenObjects(ScratchStorage):
    def open_object(self, key: str) -> OpenObject:
        return self._inner.open_object(self._inside(key))  # type: ignore[no-any-return]  # an OpenObjects


class _LocalFiles(ScratchStorage):
    def local_path(self, key: str) -> Path:
        return self._inner.local_path(self._inside(key))  # type: ignore[no-any-return]  # a LocalFiles


ABILITIES: dict[type, type[ScratchStorage]] = {
    BatchWrites: _Batches,
    LocalFiles: _LocalFiles,
    OpenObjects: _OpenObjects,
    Uploads: _Uploads,
}
"""Those that can be tried below a prefix."""


def scratch_storage(inner: Storage, prefix: str) -> ScratchStorage:
    """Return a storage that has the abilities of the inner one."""
    parts = tuple(part for ability, part in ABILITIES.items() if isinstance(inner, ability))
    made: type[ScratchStorage] = type("ScratchStorage", parts or (ScratchStorage,), {})
    return made(inner, prefix)


def empty(storage: Storage, prefix: str) -> None:
    """Delete what is below a prefix."""
    before: list[str] = []
    with closing(storage):
        # A store may not list an object whose key continues that of another one until the other one is deleted.
        while (keys := [info.key for info in storage.scan(prefix)]) != before:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(storage.delete, keys))
            before = keys


def sees(open_cache: Callable[[], Cache], key: str) -> bool:
    """Tell whether this process finds what is kept in a cache under a key."""
    with closing(open_cache()) as cache:
        return cache.get(key) is not None


class ScratchCache:
    """A cache that deletes what a test used when it is closed: not in a child, whose parent still looks at it."""

    def __init__(self, inner: Cache) -> None:
        self._inner = inner
        self._keys: set[str] = set()

    def get(self, key: str) -> bytes | None:
        self._keys.add(key)
        return self._inner.get(key)

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        self._keys.add(key)
        self._inner.set(key, value, ttl=ttl)

    def add(self, key: str, value: bytes, *, ttl: float) -> bool:
        self._keys.add(key)
        return self._inner.add(key, value, ttl=ttl)

    def delete(self, key: str, *, only_if: bytes | None = None) -> bool:
        return self._inner.delete(key, only_if=only_if)

    def check(self) -> Health:
        return self._inner.check()

    def close(self) -> None:
        if multiprocessing.parent_process() is None:
            with suppress(BackendError):  # it may be closed
                self._delete_all()
        self._keys.clear()
        self._inner.close()

    def _delete_all(self) -> None:
        for key in sorted(self._keys):
            with suppress(ValueError):  # a test may use what is not a key
                self._inner.delete(key)
