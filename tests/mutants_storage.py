"""Faults in what the storage on the file system writes and deletes, and in its life."""

from __future__ import annotations

import copy
import threading
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

from mutants import mutant

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, NotFoundError, RefusedError
from dicom_common.storage.filesystem import FilesystemStorage as Storage, _placing, _storage, _writing
from dicom_common.toolkit import OpenUploads

B = "storage"


def is_there(self: Any, key: str) -> bool:
    try:
        self.stat(key)
    except NotFoundError:
        return False
    return True


# Durability and atomicity


@mutant(B, _writing.Writing, "_stage", "synced")
def lost_fsync_of_the_file(original: Any, self: Any, step: Any) -> None:
    shadow = copy.copy(self)
    shadow._settings = replace(self._settings, fsync=False)
    original(shadow, step)


@mutant(B, _writing.Writing, "_sync", "synced")
def lost_fsync_of_the_folder(_original: Any, _self: Any, _folder: Any) -> None:
    return None


@mutant(B, Storage, "write", "readers_see")
def replaces_in_place(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if named.get("if_absent") or not isinstance(source, bytes) or not is_there(self, key):
        return original(self, key, source, **named)
    with (self._path / key).open("wb") as file:
        file.write(source[: len(source) // 2])
        file.flush()
        time.sleep(0.002)
        file.write(source[len(source) // 2 :])
    return self.stat(key)


@mutant(B, Storage, "write", "readers_see")
def deletes_before_it_writes(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if not named.get("if_absent"):
        self.delete(key)
    return original(self, key, source, **named)


@mutant(B, Storage, "write", "bytes_come_back")
def acknowledges_before_it_writes(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if named or not isinstance(source, bytes):
        return original(self, key, source, **named)

    def later() -> None:
        time.sleep(0.05)
        original(self, key, source)

    threading.Thread(target=later).start()
    return replace(original(self, f"{key}.made", b""), key=key, size=len(source))


@mutant(B, Storage, "_chunks", "reader_that_began")
def reads_what_has_the_name_now(_original: Any, _self: Any, descriptor: int, start: int, length: int | None) -> Any:
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    end = None if length is None else start + length
    yield b""
    while end is None or start < end:
        with path.open("rb") as file:
            file.seek(start)
            chunk = file.read(1 << 20 if end is None else min(1 << 20, end - start))
        if not chunk:
            return
        start += len(chunk)
        yield chunk


# Conditions and digests


@mutant(B, Storage, "write", "if_absent")
def ignores_if_absent(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    return original(self, key, source, sha256=named.get("sha256"))


@mutant(B, Storage, "write", "claim_a_key")
def looks_before_it_claims(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if named.pop("if_absent", False) and is_there(self, key):
        raise AlreadyExistsError("It is there.")
    return original(self, key, source, **named)


@mutant(B, Storage, "write", "digest")
def ignores_the_digest(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    return original(self, key, source, **named | {"sha256": None})


@mutant(B, Storage, "write", "digest")
def compares_the_digest_after_it_has_written(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    try:
        return original(self, key, source, **named)
    except DamagedError:
        original(self, key, b"damaged")
        raise


@mutant(B, _placing, "_make_way", "above_an_object")
def calls_a_folder_an_object(original: Any, *arguments: Any) -> None:
    try:
        original(*arguments)
    except RefusedError:
        raise AlreadyExistsError("It is there.") from None


@mutant(B, Storage, "write", "source_that_fails")
def keeps_what_a_failing_source_gave(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    try:
        return original(self, key, source, **named)
    except OSError:
        original(self, key, b"half")
        raise


# What is written


@mutant(B, Storage, "write", "where_it_stands")
def rewinds_the_source(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if hasattr(source, "seek"):
        source.seek(0)
    return original(self, key, source, **named)


@mutant(B, _writing, "_pieces", "gives_less")
def ends_at_a_short_read(original: Any, source: Any) -> Any:
    for piece in original(source):
        yield piece
        if not isinstance(source, bytes) and len(piece) < 1 << 20:
            return


@mutant(B, _writing, "_pieces", "memoryview")
def counts_items_for_bytes(original: Any, source: Any) -> Any:
    return original(source.tobytes()[: len(source)] if isinstance(source, memoryview) else source)


@mutant(B, _writing, "_pieces", "memory")
def reads_the_whole_source(original: Any, source: Any) -> Any:
    return original(source.read() if hasattr(source, "read") else source)


@mutant(B, Storage, "write", "kind_of_source")
def takes_only_bytes(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if isinstance(source, bytearray):
        raise BackendError("These are not bytes.")
    return original(self, key, source, **named)


@mutant(B, Storage, "write", "second_write")
def never_shortens(original: Any, self: Any, key: str, source: Any, **named: Any) -> Any:
    if isinstance(source, bytes) and not named and is_there(self, key):
        source += b"".join(self.read(key))[len(source) :]
    return original(self, key, source, **named)


# Keys


@mutant(B, _storage, "validate_key", "no_key")
def takes_any_key(_original: Any, key: str) -> Any:
    return key


@mutant(B, _storage, "segments_of", "look_alike")
def folds_case_when_it_reads(original: Any, key: str) -> Any:
    return original(key.lower())


@mutant(B, _writing, "segments_of", "look_alike")
def composes_accents(original: Any, key: str) -> Any:
    return original(unicodedata.normalize("NFC", key))


# Deletion


@mutant(B, Storage, "delete", "deleting")
def deletes_nothing(_original: Any, self: Any, _key: str) -> None:
    self._opened()


@mutant(B, Storage, "delete", "deleting")
def misses_what_is_not_there(original: Any, self: Any, key: str) -> None:
    self.stat(key)
    original(self, key)


@mutant(B, Storage, "delete", "deleting")
def deletes_what_begins_alike(original: Any, self: Any, key: str) -> None:
    for found in list(self.scan(key)):
        original(self, found.key)


# Batches, uploads, open objects


@mutant(B, Storage, "write_many", "batch")
def ends_a_batch_at_a_failure(original: Any, self: Any, writes: Any) -> Any:
    answers: list[Any] = []
    for write in writes:
        answers += original(self, [write])
        if isinstance(answers[-1], BackendError):
            break
    return answers + [BackendError("Not tried.")] * (len(writes) - len(answers))


@mutant(B, Storage, "write_many", "batch")
def answers_a_batch_backwards(original: Any, self: Any, writes: Any) -> Any:
    return original(self, writes)[::-1]


@mutant(B, Storage, "write_many", "batch")
def ignores_if_absent_in_a_batch(original: Any, self: Any, writes: Any) -> Any:
    return original(self, [replace(write, if_absent=False) for write in writes])


@mutant(B, Storage, "write_many", "batch")
def writes_before_it_looks_at_the_keys(original: Any, self: Any, writes: Any) -> Any:
    return [answer for write in writes for answer in original(self, [write])]


class Careless:
    """An upload with a fault."""

    def __init__(self, inner: Any, ignored: str) -> None:
        self._inner, self._ignored = inner, ignored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *arguments: object) -> None:
        self._inner.__exit__(*arguments)

    def commit(self, key: str, **named: Any) -> Any:
        return self._inner.commit(key, **{name: value for name, value in named.items() if name != self._ignored})


@mutant(B, OpenUploads, "open", "upload")
def commits_over_what_is_there(original: Any, *arguments: Any) -> Any:
    return Careless(original(*arguments), "if_absent")


@mutant(B, OpenUploads, "open", "upload")
def commits_without_the_digest(original: Any, *arguments: Any) -> Any:
    return Careless(original(*arguments), "sha256")


@mutant(B, Storage, "local_path", "local_files")
def names_a_file_that_is_not_there(_original: Any, self: Any, key: str) -> Any:
    return self._path / key


class ByName:
    """An open object that reads what has the name now."""

    def __init__(self, storage: Any, key: str) -> None:
        self._storage, self._key = storage, key
        storage.stat(key)

    def read_into(self, buffer: Any, position: int) -> int:
        if position < 0:
            raise ValueError("negative")
        found = b"".join(self._storage.read(self._key, start=position, length=len(buffer)))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._storage = None


@mutant(B, Storage, "open_object", "held_open")
def opens_by_name(_original: Any, self: Any, key: str) -> Any:
    return ByName(self, key)


# Life


@mutant(B, Storage, "close", "closing")
def does_not_close(_original: Any, self: Any) -> None:
    self._uploads.close()


@mutant(B, Storage, "close", "closing")
def closes_only_once(original: Any, self: Any) -> None:
    self._opened()
    original(self)


@mutant(B, Storage, "check", "check")
def leaves_a_probe(original: Any, self: Any) -> Any:
    self.write("probe", b"probe")
    return original(self)
