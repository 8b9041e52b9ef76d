"""Encrypted fields: texts that stand encrypted in a column, a document or a message."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from cryptography.exceptions import InvalidTag

from dicom_common.core import DamagedError, Keyring, WrappedKey
from dicom_common.crypto._data_keys import DataKeys
from dicom_common.crypto._text import bound, from_text, to_text

__all__ = ["FieldCipher"]

_VERSION = "f1"
_PURPOSE = b"dicom-common field 1"
_NONCE = 12
_MOST_BYTES = 1 << 20


class FieldCipher:
    """Encrypts and decrypts texts with AES-256-GCM, for one tenant and one field each. Thread-safe.

    A value is four words of URL-safe letters, joined by dots: the version, the id of the key-encryption key, the
    wrapped data key, and nonce, ciphertext and tag. It needs nothing but the keyring to be read. Tenant, name of the
    field and all words are authenticated with it: a value that was changed, or moved to another tenant or field, is
    damaged. The same text is never encrypted to the same value, so an encrypted field cannot be searched.

    Args:
        keyring: it wraps a data key for each tenant and `key_seconds`, and unwraps each that it meets.
        key_seconds: how long a data key is used for new values, and stays in memory.
        clock: seconds that only grow.

    Raises:
        ValueError: `key_seconds` is not 0 to 86400.
    """

    def __init__(
        self, keyring: Keyring, *, key_seconds: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not 0 <= key_seconds <= 86_400:
            raise ValueError("key_seconds of a field cipher has to be 0 to 86400 seconds")
        self._keyring = keyring
        self._keys = DataKeys(keyring, _PURPOSE, key_seconds, clock)

    def encrypt(self, tenant: str, field: str, text: str) -> str:
        """Encrypt a text.

        Args:
            tenant: whose it is.
            field: what it is, such as `patient.name`; decryption needs the same.
            text: at most 1 MiB of UTF-8. Its length can be told from the value.

        Raises:
            ValueError: the text is too long, or holds a lone surrogate.
            RefusedError: the keyring has no key for this tenant.
            UnavailableError: the keyring cannot be reached.
        """
        try:
            plain = text.encode()
        except UnicodeEncodeError:
            raise ValueError("the text of an encrypted field has to be valid Unicode") from None
        if len(plain) > _MOST_BYTES:
            raise ValueError("the text of an encrypted field has at most 1 MiB")
        key = self._keys.sealing(tenant)
        nonce = os.urandom(_NONCE)
        sealed = key.cipher.encrypt(nonce, plain, _bound(tenant, field, key.wrapped))
        words = (key.wrapped.key_id.encode(), key.wrapped.data, nonce + sealed)
        return ".".join((_VERSION, *map(to_text, words)))

    def decrypt(self, tenant: str, field: str, value: str) -> str:
        """Return the text that was encrypted for this tenant and field.

        Raises:
            DamagedError: it was not, or is not as it was.
            RefusedError: its key-encryption key is not there for this tenant (any more).
            UnavailableError: the keyring cannot be reached.
        """
        wrapped, sealed = _parsed(value)
        cipher = self._keys.opening(tenant, wrapped)
        try:
            plain = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(tenant, field, wrapped))
            return plain.decode()
        except (InvalidTag, ValueError):
            raise _damaged() from None

    def needs_reencryption(self, tenant: str, value: str) -> bool:
        """Tell whether another key-encryption key is active by now: decrypt, encrypt, and the old one is not needed.

        Raises:
            DamagedError: it is no value of this class. Nothing is decrypted.
            RefusedError: the keyring has no active key for this tenant.
        """
        return _parsed(value)[0].key_id != self._keyring.active(tenant)

    def forget(self) -> None:
        """Drop all data keys from memory."""
        self._keys.forget()


def _bound(tenant: str, field: str, wrapped: WrappedKey) -> bytes:
    return bound(_PURPOSE, tenant.encode(), field.encode(), wrapped.key_id.encode(), wrapped.data)


def _parsed(value: str) -> tuple[WrappedKey, bytes]:
    try:
        version, key_id, wrapped, sealed = value.split(".")
        if version != _VERSION:
            raise _damaged()
        return WrappedKey(from_text(key_id).decode("ascii"), from_text(wrapped)), from_text(sealed)
    except ValueError:
        raise _damaged() from None


def _damaged() -> DamagedError:
    return DamagedError(
        "An encrypted field is not what was encrypted for this tenant and field: restore it from a copy."
    )
