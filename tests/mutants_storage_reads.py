"""Faults in what the storage on the file system reads, knows and lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mutants import mutant

from dicom_common.core import NotFoundError, ObjectInfo
from dicom_common.storage.filesystem import FilesystemStorage as Storage, _scan

B = "storage"


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
