"""Keys of the storage and keys of the store: the prefix, and what is kept from being listed."""

from __future__ import annotations

from dicom_common.core import RESERVED_SEGMENT, RefusedError, validate_key

__all__ = ["Keys"]


class Keys:
    """Puts the prefix before keys, and takes it away.

    Args:
        prefix: of the settings; with or without a slash at its end.
        longest: of the store, in bytes of UTF-8.
    """

    def __init__(self, prefix: str, longest: int) -> None:
        self.prefix = prefix.removesuffix("/") + "/" if prefix else ""
        self.reserved = f"{self.prefix}{RESERVED_SEGMENT}/"
        """Below it is what the storage keeps for itself."""
        self._longest = longest

    def outer(self, key: str) -> str:
        """Return the store's key for a key.

        Raises:
            ValueError: it is no key.
            RefusedError: it is too long for the store.
        """
        whole = self.prefix + validate_key(key)
        if len(whole.encode()) > self._longest:
            raise RefusedError(
                f"The storage key and the setting prefix together are longer than the {self._longest} bytes that the"
                " store takes: shorten the prefix."
            )
        return whole

    def inner(self, whole: str) -> str | None:
        """Return the key for a key of the store; None for other names, such as the storage's own objects."""
        key = whole.removeprefix(self.prefix)
        if not whole.startswith(self.prefix):
            return None
        return key if _is_key(key) else None

    @staticmethod
    def may_begin(prefix: str) -> bool:
        """Tell whether any key can begin with a text; some stores refuse to list others."""
        # `..` is no key and begins `..x`; a segment of full length is one and begins no longer one.
        return not prefix or _is_key(prefix) or _is_key(prefix + "x")


def _is_key(text: str) -> bool:
    try:
        validate_key(text)
    except ValueError:
        return False
    return True
