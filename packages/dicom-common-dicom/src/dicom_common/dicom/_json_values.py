"""One value of a data set as DICOM JSON (PS3.18 F.2): a function for each way of writing a VR.

Each takes the Value Field in little endian and the context of its data set, and gives what follows the `vr` of the
attribute, with the closing brace. They write text themselves, not a tree for `json.dumps`: a third of the time.
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from collections.abc import Callable
from json.encoder import encode_basestring as quote
from typing import Any

from dicom_common.dicom._json_context import PADDING, PLAIN, WRONG_LENGTH, Context, Doubt, Known, Skipped
from dicom_common.dicom._json_numbers import NUMBER_ENCODERS
from dicom_common.dicom._rules import Rule

__all__ = ["ENCODERS", "encode_bulk", "encode_nothing", "encode_utf8"]

_ALLOWED_IN_UIDS = b"0123456789.\\ \0"
_CODES, _UIDS = Known(), Known()


def encode_nothing(value: object, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    """Write an attribute without a value (F.2.5)."""
    return "}"


def encode_bulk(value: Skipped, context: Context) -> str:
    """Write where the value can be fetched (F.2.2)."""
    return f',"BulkDataURI":{quote(context.uri(value.tag))}}}'


def encode_sequence(value: Any, context: Context) -> str:
    """Write the items of a sequence (F.2.2), or its bytes where there were none."""
    return _encode_inline(value, context) if type(value) is bytes else context.sequence(value)


def _doubted(written: str, context: Context) -> str:
    """Return what was written, unless the text in it was not of the declared character set."""
    if context.guessed:
        raise Doubt(Rule.CHARACTER_SET, "decoded by a guess", written)
    return written


def encode_utf8(value: object, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    """Write Specific Character Set (0008,0005): whatever it was, DICOM JSON is UTF-8 (F.2)."""
    return ',"Value":["ISO_IR 192"]}'


def _strings(text: str) -> str:
    """Write the values of a text; padding, before as well as behind, is not significant (PS3.5 6.2)."""
    parts = [part.strip(" ") for part in text.replace("\0", "").split("\\")]
    if not any(parts):
        return "}"
    return f',"Value":[{",".join([quote(part) if part else "null" for part in parts])}]}}'


def _encode_code(value: bytes, context: Context) -> str:
    """AE AS CS DA DT TM: text of the default repertoire."""
    if (known := _CODES.get(value)) is not None:
        return known
    if value.isascii():
        return _CODES.keep(value, _strings(value.decode("ascii")))
    raise Doubt(Rule.REPERTOIRE, "decoded by a guess", _strings(context.repertoire_text(value)))


def _encode_uid(value: bytes, context: Context) -> str:
    if (known := _UIDS.get(value)) is not None:
        return known
    text = _strings(context.repertoire_text(value))
    if not value.translate(None, _ALLOWED_IN_UIDS):
        return _UIDS.keep(value, text)
    raise Doubt(Rule.UID_CHARACTERS, "kept as text", text)


def _encode_text_values(value: bytes, context: Context) -> str:
    """LO SH UC: values in the declared character set; split behind decoding, for a trail byte may be a backslash."""
    value = value.strip(PADDING)
    # Deleting all that needs no care is the fastest way to ask whether there is anything else.
    if not value.translate(None, PLAIN):
        return f',"Value":["{value.decode("ascii")}"]}}' if value else "}"
    return _doubted(_strings(context.text(value)), context)


def _encode_text(value: bytes, context: Context) -> str:
    """LT ST UT: one value, in which leading spaces and backslashes are text."""
    text = context.text(value).replace("\0", "").rstrip(" ")
    return _doubted(f',"Value":[{quote(text)}]}}' if text else "}", context)


def _encode_uri_reference(value: bytes, context: Context) -> str:
    """UR: one value, of the default repertoire."""
    text = context.repertoire_text(value).replace("\0", "").strip(" ")
    return f',"Value":[{quote(text)}]}}' if text else "}"


_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _person_name(text: str) -> str:
    groups = [group.strip(" ") for group in text.split("=", 3)]
    named = [f'"{name}":{quote(group)}' for name, group in zip(_GROUPS, groups, strict=False) if group]
    return f"{{{','.join(named)}}}" if named else "null"


def _encode_person_name(value: bytes, context: Context) -> str:
    value = value.strip(PADDING)
    if b"=" not in value and not value.translate(None, PLAIN):
        return f',"Value":[{{"Alphabetic":"{value.decode("ascii")}"}}]}}' if value else "}"
    text = context.text(value, person_name=True).replace("\0", "")
    names = [_person_name(part) for part in text.split("\\")]
    if names.count("null") == len(names):
        return "}"
    written = f',"Value":[{",".join(names)}]}}'
    if any(part.count("=") > 2 for part in text.split("\\")):
        raise Doubt(Rule.PERSON_NAME_GROUPS, "kept the first three component groups", written)
    return _doubted(written, context)


def _encode_tags(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    count, rest = divmod(len(value), 4)
    if rest:
        raise Doubt(Rule.LENGTH, WRONG_LENGTH, "}")
    if not count:
        return "}"
    halves = struct.unpack(f"<{2 * count}H", value)
    tags = [f'"{group:04X}{element:04X}"' for group, element in zip(halves[::2], halves[1::2], strict=True)]
    return f',"Value":[{",".join(tags)}]}}'


def _encode_inline(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    if not value:
        return "}"
    return f',"InlineBinary":"{b2a_base64(value, newline=False).decode("ascii")}"}}'


ENCODERS: dict[str, Callable[[Any, Context], str]] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM"), _encode_code),
    **dict.fromkeys(("LO", "SH", "UC"), _encode_text_values),
    **dict.fromkeys(("LT", "ST", "UT"), _encode_text),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), _encode_inline),
    **NUMBER_ENCODERS,
    "AT": _encode_tags,
    "PN": _encode_person_name,
    "SQ": encode_sequence,
    "UI": _encode_uid,
    "UR": _encode_uri_reference,
}
"""How the values of each VR are written."""
