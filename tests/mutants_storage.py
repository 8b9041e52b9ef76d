"""Faults in the storage on the file system."""

from __future__ import annotations

import copy
import threading
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

from mutants import mutant

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, NotFoundError, ObjectInfo, RefusedError
from dicom_common.storage.filesystem import FilesystemStorage as Storage, _placing, _scan, _storage, _writing
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


# What is read


@mutant(B, Storage, "read", "range")
def reads_one_byte_more(original: Any, self: Any, key: str, *, start: int = 0, length: int | None = None) -> Any:
    return original(self, key, start=start, length=length + 1 if length else length)


@mutant(B, Storage, "read", "range")
def ignores_the_start(original: Any, self: Any, key: str, *, start: int = 0, length: int | None = None) -> Any:
    return original(self, key, start=min(start, 0), length=length)


@mutant(B, Storage, "read", "negative")
def takes_negative_ranges(original: Any, self: Any, key: str, *, start: int = 0, length: int | None = None) -> Any:
    return original(self, key, start=max(start, 0), length=None if length is None else max(length, 0))


@mutant(B, Storage, "read", "bytes_come_back")
def reads_in_one_piece(original: Any, *arguments: Any, **named: Any) -> Any:
    return iter([whole] if (whole := b"".join(original(*arguments, **named))) else [])


@mutant(B, Storage, "read", "reported_by_the_call")
def opens_at_the_first_chunk(original: Any, *arguments: Any, **named: Any) -> Any:
    yield from original(*arguments, **named)


@mutant(B, Storage, "read", "missing")
def reads_nothing_of_what_is_missing(original: Any, *arguments: Any, **named: Any) -> Any:
    try:
        return original(*arguments, **named)
    except NotFoundError:
        return iter(())


@mutant(B, Storage, "_chunks", "given_up")
def leaves_a_given_up_reader_open(original: Any, *arguments: Any) -> Any:
    chunks = original(*arguments)
    KEPT.append(chunks)
    return (chunk for chunk in chunks)


KEPT: list[Any] = []


# What is known


@mutant(B, Storage, "stat", "missing")
def lets_the_systems_error_out(original: Any, *arguments: Any) -> Any:
    try:
        return original(*arguments)
    except NotFoundError as error:
        raise FileNotFoundError from error


@mutant(B, _scan, "info_of", "size_and_time")
def forgets_the_zone(original: Any, *arguments: Any) -> Any:
    found = original(*arguments)
    return replace(found, modified=found.modified.replace(tzinfo=None))


@mutant(B, Storage, "stat", "size_and_time")
def tells_the_time_of_the_question(original: Any, *arguments: Any) -> Any:
    found = original(*arguments)
    return replace(found, modified=found.modified.replace(year=2001))


# Scans


def scanned(original: Any, *arguments: Any, **named: Any) -> list[ObjectInfo]:
    return list(original(*arguments, **named))


@mutant(B, Storage, "scan", "order_of_the_bytes")
def sorts_as_utf_16(original: Any, *arguments: Any, **named: Any) -> Any:
    yield from sorted(scanned(original, *arguments, **named), key=lambda found: found.key.encode("utf-16-be"))


@mutant(B, Storage, "scan", "order_of_the_bytes")
def sorts_by_segments(original: Any, *arguments: Any, **named: Any) -> Any:
    yield from sorted(scanned(original, *arguments, **named), key=lambda found: found.key.split("/"))


@mutant(B, Storage, "scan", "order_of_the_bytes")
def begins_at_after(original: Any, self: Any, prefix: str = "", *, after: str = "") -> Any:
    yield from (found for found in scanned(original, self, prefix) if found.key.encode() >= after.encode())


@mutant(B, Storage, "scan", "prefix")
def takes_a_prefix_for_a_folder(original: Any, self: Any, prefix: str = "", *, after: str = "") -> Any:
    for found in original(self, prefix, after=after):
        if not prefix or found.key.startswith(prefix.rstrip("/") + "/"):
            yield found


@mutant(B, Storage, "scan", "scan")
def gives_one_page(original: Any, *arguments: Any, **named: Any) -> Any:
    yield from scanned(original, *arguments, **named)[:25]


@mutant(B, Storage, "scan", "scan")
def lists_its_own_files(original: Any, self: Any, prefix: str = "", *, after: str = "") -> Any:
    yield from original(self, prefix, after=after)
    for path in sorted((self._path / ".dicom-common").rglob("*.lock")):
        yield replace(_scan.info_of(str(path.relative_to(self._path)), path.stat()))


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
