"""UIDs (PS3.5 section 9)."""

from __future__ import annotations

import re

__all__ = ["is_valid_uid"]

_STRICT = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_LENIENT = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST = 64


def is_valid_uid(uid: str, *, strict: bool = True) -> bool:
    """Tell whether `uid` is a UID (PS3.5 9.1).

    Args:
        uid: without padding.
        strict: by the letter. Otherwise leading zeros, any first component and a single component are let through;
            both are safe in paths and keys: 1 to 64 digits and dots, no empty component.
    """
    return len(uid) <= _LONGEST and (_STRICT if strict else _LENIENT).fullmatch(uid) is not None
