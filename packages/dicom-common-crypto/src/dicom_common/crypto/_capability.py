"""Signed permissions that expire: what a link carries in place of a token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dicom_common.core import AuthenticationError, ConfigError, Secret
from dicom_common.crypto._text import bound, from_text, to_text

__all__ = ["Capabilities", "Capability", "SigningKey"]

_VERSION = "c1"
_PURPOSE = b"dicom-common capability 1"
_LEAST_KEY = 32
_MOST_SECONDS = 7 * 86_400
_MOST_LETTERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that signs capabilities. It may stand in any settings dataclass."""

    id: str
    """Its name, 1 to 64 printable ASCII characters without a space; it can be read in each capability."""
    key: Secret
    """At least 32 random bytes in base64, such as `openssl rand -base64 32` prints."""
    active: bool = False
    """Whether it signs. The others verify what they signed, until that has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What the bearer may retrieve, until when."""

    tenant: str
    study_uid: str
    series_uid: str = ""
    """Empty: the whole study."""
    expires: int
    """Seconds since 1970-01-01, UTC."""


class Capabilities:
    """Signs and verifies capabilities with HMAC-SHA-256 (RFC 2104). Thread-safe; makes no request.

    A capability names tenant, study and series for all to read, and is a permission to retrieve these and nothing else:
    whoever has it may use it until it expires, and it cannot be withdrawn before, other than by removing its key. To
    rotate: add a key, make it active everywhere, and remove the old one when what it signed has expired.

    Args:
        keys: one of them active.
        clock: seconds since 1970-01-01, UTC.

    Raises:
        ConfigError: one is no key, or not exactly one is active.
    """

    def __init__(self, keys: Iterable[SigningKey], *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._keys: dict[str, bytes] = {}
        active = []
        for key in keys:
            if not _is_name(key.id) or key.id in self._keys:
                raise ConfigError(
                    f"Each key for capabilities needs an id of its own, of 1 to 64 printable ASCII characters without a"
                    f" space; {key.id!r} is not valid, or is there twice."
                )
            self._keys[key.id] = _key_of(key)
            active += [key.id] if key.active else []
        if len(active) != 1:
            raise ConfigError(f"Of the keys for capabilities one has to be active = true, and {len(active)} are.")
        self._active = active[0]

    def sign(self, tenant: str, study_uid: str, series_uid: str = "", *, seconds: int) -> str:
        """Return a capability as text for a URL.

        Args:
            tenant: whose study it is.
            study_uid: the study that may be retrieved.
            series_uid: the one series of it; empty: all.
            seconds: how long it is good, 1 to 604800.

        Raises:
            ValueError: `seconds` is out of these bounds, or tenant or study is empty or too long.
        """
        if not 1 <= seconds <= _MOST_SECONDS:
            raise ValueError(f"a capability is good for 1 to {_MOST_SECONDS} seconds")
        if not tenant or not study_uid:
            raise ValueError("a capability needs a tenant and a study")
        expires = int(self._clock()) + seconds
        words = tuple(word.encode() for word in (self._active, tenant, study_uid, series_uid, str(expires)))
        text = ".".join((_VERSION, *map(to_text, words), to_text(self._signed(self._active, words))))
        if len(text) > _MOST_LETTERS:
            raise ValueError(f"a capability has at most {_MOST_LETTERS} letters: tenant or UIDs are too long")
        return text

    def verify(self, text: str) -> Capability:
        """Return what a capability permits; the caller compares tenant, study and series with what is asked for.

        Raises:
            AuthenticationError: it is not valid, was changed, has expired, or its key is not there. The message neither
                says which of these, nor repeats a part of it.
        """
        try:
            words = self._words(text)
            tenant, study, series, end = (word.decode() for word in words[1:])
            expires = int(end)
        except ValueError:
            raise _refused() from None
        if expires <= self._clock():
            raise _refused()
        return Capability(tenant=tenant, study_uid=study, series_uid=series, expires=expires)

    def _words(self, text: str) -> tuple[bytes, ...]:
        """Return the words of a capability whose signature is right.

        Raises:
            ValueError: it is not.
        """
        parts = text.split(".") if len(text) <= _MOST_LETTERS else []
        version, *letters, signature = parts if len(parts) == 7 else ("", "")
        words = tuple(map(from_text, letters))
        if version != _VERSION or words[0].decode("ascii") not in self._keys:
            raise ValueError("unknown version or key")
        if not hmac.compare_digest(self._signed(words[0].decode("ascii"), words), from_text(signature)):
            raise ValueError("wrong signature")
        return words

    def _signed(self, key_id: str, words: tuple[bytes, ...]) -> bytes:
        return hmac.digest(self._keys[key_id], bound(_PURPOSE, *words), hashlib.sha256)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isascii() and text.isprintable() and " " not in text


def _key_of(key: SigningKey) -> bytes:
    try:
        data = base64.b64decode(key.key.reveal().strip(), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) < _LEAST_KEY:
        raise ConfigError(
            f"The key {key.id!r} for capabilities has to be at least 32 bytes in base64: `openssl rand -base64 32`."
        )
    return data


def _refused() -> AuthenticationError:
    return AuthenticationError("The capability is not valid, or has expired: ask for a new link.")
