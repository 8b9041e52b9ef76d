"""One value of a data set as DICOM JSON (PS3.18 F.2): a function for each way of writing a VR.

Each takes the Value Field in little endian and the context of its data set, and gives what follows the `vr` of the
attribute, with the closing brace. They write text themselves, not a tree for `json.dumps`: a third of the time.
"""

from __future__ import annotations

from array import array
from binascii import b2a_base64
from collections.abc import Callable
from json.encoder import encode_basestring as quote
from typing import Any

from dicom_common.dicom._json_context import (
    LEFT_OUT,
    PADDING,
    PLAIN,
    WRONG_LENGTH,
    Context,
    Doubt,
    Flaw,
    Skipped,
    cut_at_nul,
    unless_flawed,
)
from dicom_common.dicom._json_numbers import NUMBER_ENCODERS
from dicom_common.dicom._rules import Rule

__all__ = ["ENCODERS", "KEPT_VRS", "encode_bulk", "encode_nothing", "encode_utf8", "sequence_encoder"]

_OF_UIDS = b"0123456789."
_ALLOWED_IN_UIDS = _OF_UIDS + b"\\ \0"
_REPERTOIRE: Flaw = (Rule.REPERTOIRE, "decoded by a guess")
_UID_CHARACTERS: Flaw = (Rule.UID_CHARACTERS, "kept as text")
_GROUPS_LOST: Flaw = (Rule.PERSON_NAME_GROUPS, "kept the first three component groups")


def encode_nothing(value: object, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    """Write an attribute without a value (F.2.5)."""
    return "}"


def encode_bulk(value: Skipped, context: Context) -> str:
    """Write where the value can be fetched (F.2.2)."""
    return f',"BulkDataURI":{quote(context.uri(value.tag))}}}'


def encode_utf8(value: object, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    """Write Specific Character Set (0008,0005): whatever it was, DICOM JSON is UTF-8 (F.2)."""
    return ',"Value":["ISO_IR 192"]}'


def _strings(text: str, context: Context) -> str:
    """Write the values of a text; padding, before as well as behind, is not significant (PS3.5 6.2)."""
    if "\0" in text:
        text = cut_at_nul(text, context.flaws, several=True)
    if "\\" not in text:
        text = text.strip(" ")
        return f',"Value":[{quote(text)}]}}' if text else "}"
    parts = [part.strip(" ") for part in text.split("\\")]
    context.spend(len(parts))
    if not any(parts):
        return "}"
    return f',"Value":[{",".join([quote(part) if part else "null" for part in parts])}]}}'


def _encode_code(value: bytes, context: Context) -> str:
    """AE AS CS DA DT TM: text of the default repertoire."""
    if not value.isascii():
        return unless_flawed(_strings(context.repertoire_text(value), context), context, _REPERTOIRE)
    return unless_flawed(_strings(value.decode("ascii"), context), context)


def _encode_uid(value: bytes, context: Context) -> str:
    plain = value.strip(PADDING)
    if plain and not plain.translate(None, _OF_UIDS):
        return f',"Value":["{plain.decode("ascii")}"]}}'
    text = _strings(context.repertoire_text(value), context)
    return unless_flawed(text, context, *((_UID_CHARACTERS,) if value.translate(None, _ALLOWED_IN_UIDS) else ()))


def _encode_text_values(value: bytes, context: Context) -> str:
    """LO SH UC: values in the declared character set; split behind decoding, for a trail byte may be a backslash."""
    value = value.strip(PADDING)
    # Deleting all that needs no care is the fastest way to ask whether there is anything else.
    if not value.translate(None, PLAIN):
        return f',"Value":["{value.decode("ascii")}"]}}' if value else "}"
    return unless_flawed(_strings(context.text(value), context), context)


def _encode_text(value: bytes, context: Context) -> str:
    """LT ST UT: one value, in which leading spaces and backslashes are text."""
    text = _one(context.text(value), context).rstrip(" ")
    return unless_flawed(f',"Value":[{quote(text)}]}}' if text else "}", context)


def _encode_uri_reference(value: bytes, context: Context) -> str:
    """UR: one value, of the default repertoire."""
    text = _one(context.repertoire_text(value), context).strip(" ")
    return unless_flawed(f',"Value":[{quote(text)}]}}' if text else "}", context)


def _one(text: str, context: Context) -> str:
    return cut_at_nul(text, context.flaws, several=False) if "\0" in text else text


_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _person_name(text: str) -> str:
    groups = [group.strip(" ") for group in text.split("=", 3)]
    named = [f'"{name}":{quote(group)}' for name, group in zip(_GROUPS, groups, strict=False) if group]
    return f"{{{','.join(named)}}}" if named else "null"


def _encode_person_name(value: bytes, context: Context) -> str:
    value = value.strip(PADDING)
    if b"=" not in value and not value.translate(None, PLAIN):
        return f',"Value":[{{"Alphabetic":"{value.decode("ascii")}"}}]}}' if value else "}"
    text = context.text(value, person_name=True)
    if "\0" in text:
        text = cut_at_nul(text, context.flaws, several=True)
    parts = text.split("\\")
    if len(parts) > 1:
        context.spend(len(parts) * 2)
    names = [_person_name(part) for part in parts]
    written = "}" if names.count("null") == len(names) else f',"Value":[{",".join(names)}]}}'
    return unless_flawed(written, context, *((_GROUPS_LOST,) if any(part.count("=") > 2 for part in parts) else ()))


def _encode_tags(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    count, rest = divmod(len(value), 4)
    if rest:
        raise Doubt(LEFT_OUT, WRONG_LENGTH)
    if not count:
        return "}"
    # Group and element are words of their own: swapped, their bytes are in the order of the digits.
    words = array("H", value)
    words.byteswap()
    digits = words.tobytes().hex(",", 4).upper().replace(",", '","')
    return f',"Value":["{digits}"]}}'


def _encode_inline(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    if not value:
        return "}"
    return f',"InlineBinary":"{b2a_base64(value, newline=False).decode("ascii")}"}}'


def sequence_encoder(tag: int) -> Callable[[Any, Context], str]:
    """Make what writes the items of a sequence (F.2.2); of empty Pixel Data under the VR SQ there are none."""

    def encode(value: Any, context: Context) -> str:
        return context.sequence(tag, value) if value else LEFT_OUT

    return encode


ENCODERS: dict[str, Callable[[Any, Context], str]] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM"), _encode_code),
    **dict.fromkeys(("LO", "SH", "UC"), _encode_text_values),
    **dict.fromkeys(("LT", "ST", "UT"), _encode_text),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), _encode_inline),
    **NUMBER_ENCODERS,
    "AT": _encode_tags,
    "PN": _encode_person_name,
    "UI": _encode_uid,
    "UR": _encode_uri_reference,
}
"""How the values of each VR are written; `sequence_encoder` makes the ones of SQ."""
KEPT_VRS = frozenset(("AE", "AS", "AT", "CS", "DA", "DT", "TM", "UI", "DS", "IS", "SL", "SS", "UL", "US", "FD", "FL"))
"""The VRs whose attributes depend on nothing but their values, and are no text of a person: see `Known`."""
