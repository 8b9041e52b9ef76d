"""What an object store must be able to do: the small interface that a backend implements over its SDK."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = [
    "Body",
    "Client",
    "CopyingClient",
    "Kept",
    "Page",
    "Part",
    "Probed",
    "RemoteObject",
    "Unfinished",
    "Upload",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept with an object, as the store's own metadata."""

    sha256: str
    """The digest of the whole object, in hex."""
    attempt: str
    """A token of the one `write` that made it: how a writer whose answer was lost knows its own object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteObject:
    """What a store tells of an object. Keys are the store's own here: they begin with the prefix."""

    key: str
    size: int
    """In bytes, of the whole object."""
    modified: datetime
    """With a zone."""
    version: str
    """Changes whenever the object is written: an ETag or a generation."""
    sha256: str | None = None
    """As in `Kept`; None where the object has none, or the store does not list it."""
    attempt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a listing, in the order of the keys' UTF-8 bytes."""

    found: Sequence[RemoteObject]
    following: str | None = None
    """What `Client.list` takes as `cursor` for the next page; None at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A large write under way."""

    key: str
    kept: Kept
    id: str
    """The store's name for it, or the client's own where the store has none."""
    state: Any = field(default=None, repr=False, compare=False)
    """Whatever else the client needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that the store has taken."""

    number: int
    """From 1 on."""
    size: int
    receipt: str
    """What the store answered, as `Client.put_part` returned it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A large write that was begun and neither finished nor abandoned."""

    key: str
    started: datetime | None = None
    """With a zone; None where the store does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What `Client.probe` found: facts for `Health`, and sentences about what is less than it should be."""

    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    warnings: Sequence[str] = ()


class Body(ABC):
    """The bytes of an object, as they arrive."""

    found: RemoteObject
    """The object that they are of."""

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes; none at the end.

        Raises:
            UnavailableError: the connection broke, or ended before what was promised.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection; one in the middle of a body is cut. A second call does nothing."""


class Client(ABC):
    """One store, as its SDK reaches it. Thread-safe. `ObjectStorage` makes a storage of it.

    A method is one request (a few, where the store needs them), with a time limit and without any retry: the SDK's own
    retries are off. It raises errors of the core only. `UnavailableError` (or `BusyError`) is for whatever may pass:
    the same call is then made again, so that every method must bear being called twice. `RefusedError` is for what will
    not: wrong credentials, no permission, no such bucket; its sentence names the setting. `DoubtfulError` is for a
    refusal that may not be meant.
    """

    name: str
    """For messages, such as `the bucket images at https://s3.example`."""
    preconditions: bool | None = None
    """Whether the store keeps `if_absent`. None: not known; it is found out by writing a probe twice."""
    max_key_bytes: int = 1024
    max_parts: int = 10_000
    in_order: bool = False
    """Whether parts must be sent one after the other."""
    names_late: bool = False
    """Whether key and `kept` are those of the `Upload` that `finish` gets: parts can be sent before they are known."""

    @abstractmethod
    def put(self, key: str, body: bytes | memoryview, kept: Kept, *, if_absent: bool) -> RemoteObject:
        """Write a whole object, with a checksum that the store verifies, and keep `kept` with it.

        Raises:
            AlreadyExistsError: `if_absent`, and the object is there. Never raised without `if_absent`.
            UnavailableError: also where the store got other bytes than were sent: they are sent again.
        """

    @abstractmethod
    def start(self, key: str, kept: Kept, *, if_absent: bool) -> Upload:
        """Begin a large write. `if_absent` may be settled here or in `finish`, best in both.

        Raises:
            AlreadyExistsError: `if_absent`, and the object is there.
        """

    @abstractmethod
    def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:
        """Send a part, with a checksum that the store verifies.

        Parts are numbered from 1 and are all of the same size but the last. They come in any order and several at once,
        unless `in_order`; then the digest of the whole has been compared before the last one comes.

        Raises:
            UnavailableError: also where the store got other bytes than were sent: they are sent again.
        """

    @abstractmethod
    def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
        """Make the object of the parts, which are in order: it appears whole, with what is kept.

        Raises:
            AlreadyExistsError: `if_absent`, and the object is there.
            NotFoundError: the store does not know of the upload (any more).
        """

    @abstractmethod
    def abandon(self, upload: Upload) -> None:
        """Take back a large write with all its parts. What the store does not know (any more) is no error."""

    @abstractmethod
    def unfinished(self, prefix: str) -> Sequence[Unfinished]:
        """List large writes that were begun below the prefix; the first page is enough.

        Empty where the store has no such list.
        """

    @abstractmethod
    def get(self, key: str, *, start: int, length: int | None, version: str | None) -> Body:
        """Open an object from `start` on, `length` (at least 1) bytes at most. Beyond the end, the body is empty.

        Args:
            key: which.
            start: the first byte.
            length: how many at most; None: up to the end.
            version: only this version of the object, as in `RemoteObject`.

        Raises:
            NotFoundError: there is no such object; also where it has another version.
        """

    @abstractmethod
    def head(self, key: str) -> RemoteObject:
        """Tell what is known of an object, with `sha256` and `attempt`.

        Raises:
            NotFoundError: there is no such object.
        """

    @abstractmethod
    def list(self, prefix: str, *, after: str, cursor: str | None, limit: int) -> Page:
        """List a page of the objects whose key starts with `prefix`.

        Args:
            prefix: any text.
            after: keys up to this one are not wanted; a store that cannot skip them may list them.
            cursor: where the page before ended; the other arguments are the same then.
            limit: how many at most.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object. What is not there is no error."""

    @abstractmethod
    def sign(self, key: str, *, expires: int) -> str:
        """Make a URL for GET that works for `expires` seconds; no request to the store, where that is possible."""

    @abstractmethod
    def probe(self) -> Probed:
        """Look at what only this store has: that the bucket is there, its clock, its versioning. Writes nothing."""

    @abstractmethod
    def close(self) -> None:
        """Release the connections. A second call does nothing."""


class CopyingClient(Client):
    """A store that copies objects of its own: bytes that arrive before their key is known are sent once."""

    @abstractmethod
    def deletes_wholly(self) -> bool:
        """Tell whether nothing is left of an object that is deleted. False: no object is made only to be copied."""

    @abstractmethod
    def start_copy(self, key: str, kept: Kept) -> Upload:
        """Begin a large write whose parts are all copied."""

    @abstractmethod
    def copy_part(self, upload: Upload, number: int, *, source: str, start: int, length: int) -> Part:
        """Make a part of the bytes of another object, in the place of `put_part`.

        Args:
            upload: as in `put_part`.
            number: as in `put_part`.
            source: the key of the other object.
            start: the first byte of the part in it.
            length: of the part, in bytes.
        """
