"""Values of a cache that are believed only if they are ours: a cache is shared, and may give anything."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["seal", "unseal"]

_MAGIC = b"dcm\x01"
"""Another one for another form, so that processes of two versions can share a cache."""
_BEGINNING = len(_MAGIC) + hashlib.sha256().digest_size


def seal(key: str, value: bytes, secret: bytes) -> bytes:
    """Return a value with what `unseal` knows it by.

    Args:
        key: under which it is kept: a value that is copied to another key is refused.
        value: what is kept.
        secret: what only we know. Without one, accidents are found, and a forger who knows this code is not.
    """
    return _MAGIC + _digest(key, value, secret) + value


def unseal(key: str, sealed: bytes, secret: bytes) -> bytes | None:
    """Return the value; None if it was not sealed for this key with this secret, or is damaged."""
    value = sealed[_BEGINNING:]
    ours = sealed[:_BEGINNING]
    return value if hmac.compare_digest(ours, _MAGIC + _digest(key, value, secret)) else None


def _digest(key: str, value: bytes, secret: bytes) -> bytes:
    # A key has no NUL in it. HMAC with an empty key is a checksum.
    return hmac.digest(secret, key.encode() + b"\0" + value, "sha256")
