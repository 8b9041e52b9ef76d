"""One record of the trail: a line whose hash covers its bytes and, by them, the hash of the record before.

A line is one JSON object in ASCII:

    {"seq":7,"prev":"<hash of record 6>","key":"<key id>","event":{...},"xml":"...","hash":"<hash>"}

The hash is over the bytes of the line up to `,"hash"`, as they are: nothing has to be parsed, or written again in the
same way, to verify it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dicom_common.core import Secret

__all__ = ["GENESIS", "HASH", "MOST_RECORDS", "Keys", "Record", "encode", "parse"]

GENESIS = "0" * 64
"""What stands in the place of the hash before the first record."""

HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""A hash of a record, as it is written."""
MOST_RECORDS = 10**17
"""A number has at most 18 digits."""

_LINE = re.compile(
    rb'(\{"seq":([1-9]\d{0,17}),"prev":"([0-9a-f]{64})","key":"([0-9a-f]{8})?",(.*)),"hash":"([0-9a-f]{64})"\}',
    re.DOTALL,
)


@dataclass(frozen=True)
class Record:
    """What a line says of itself; whether it is true is for `Keys.flaw` to tell."""

    body: bytes
    """What the hash covers."""
    seq: int
    prev: str
    key_id: str
    hash: str

    @cached_property
    def content(self) -> dict[str, Any]:
        """The event's fields (`event`), and the DICOM audit message (`xml`).

        Raises:
            ValueError: it is no JSON, or nests too deep.
        """
        try:
            content = json.loads(self.body + b"}")
        except RecursionError:
            raise ValueError("a record nests too deep") from None
        if not isinstance(content, dict) or not isinstance(content.get("event"), dict):
            raise ValueError("a record has to be an object with an event")  # noqa: TRY004 - as for any other damage
        return content


def parse(line: bytes) -> Record | None:
    """Read a line, without its newline; None: it is no record."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    body, seq, prev, key_id, _, hash_ = found.groups()
    return Record(body, int(seq), prev.decode(), (key_id or b"").decode(), hash_.decode())


class Keys:
    """What records are chained with: the key for new ones, and all that old ones may have."""

    def __init__(self, key: Secret | None, former: Sequence[Secret] = (), keyed_since: int = 1) -> None:
        self._keys = {_key_id(secret): secret.reveal().encode() for secret in (*former, key) if secret is not None}
        self._active = "" if key is None else _key_id(key)
        self._keyed_since = keyed_since

    def seal(self, seq: int, prev: str, content: bytes) -> tuple[bytes, str]:
        """Make the line of a record, with its newline, and return it with its hash.

        Args:
            seq: its number.
            prev: the hash of the record before.
            content: what it says, as `encode` makes it.
        """
        body = f'{{"seq":{seq},"prev":"{prev}","key":"{self._active}",'.encode() + content
        hash_ = self._hash(body, self._active)
        return body + f',"hash":"{hash_}"}}\n'.encode(), hash_

    def flaw(self, record: Record) -> str:
        """Return what is wrong with a record by itself; nothing: its hash is that of its bytes."""
        if record.key_id and record.key_id not in self._keys:
            return f"it is chained with the key {record.key_id}, which is not among audit.key and audit.former_keys"
        if not record.key_id and self._active and record.seq >= self._keyed_since:
            return "it is chained without a key, which anybody could do; for old records set audit.keyed_since"
        if not hmac.compare_digest(self._hash(record.body, record.key_id), record.hash):
            return "its hash is not that of its bytes"
        return ""

    def _hash(self, body: bytes, key_id: str) -> str:
        if not key_id:
            return hashlib.sha256(body).hexdigest()
        return hmac.new(self._keys[key_id], body, hashlib.sha256).hexdigest()


def encode(event: Mapping[str, Any], xml: str) -> bytes:
    """Write what a record says: the event's fields, and the DICOM audit message.

    Raises:
        TypeError, ValueError: a field is of no type of JSON's.
    """
    return json.dumps({"event": event, "xml": xml}, separators=(",", ":"), allow_nan=False).encode()[1:-1]


def _key_id(key: Secret) -> str:
    # A MAC of a constant reveals nothing about the key, and identifies it permanently.
    return hmac.new(key.reveal().encode(), b"dicom-common audit key id", hashlib.sha256).hexdigest()[:8]
