"""The DICOM JSON of a data set (PS3.18 Annex F), as bytes."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter

from dicom_common.core import DicomError
from dicom_common.dicom._character_sets import CharacterSet, character_set
from dicom_common.dicom._elements import Elements, Items, pairs
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._json_context import Doubt, Flaw
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["DataSetContext", "encode_json"]

_CHARACTER_SET = 0x00080005
_PIXEL_REPRESENTATION = 0x00280103
_UTF8 = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
_LONGEST_DECLARED, _MOST_TERMS, _MOST_SETS = 512, 32, 64
"""Bytes and terms of a Specific Character Set that are looked at, and how many sets are remembered in one reading."""
_GUESS, _PIECE = 4, 8
"""As how many values one counts that is not what it is declared as, beside its length; and each piece of it."""
_MOST_COPIES = 8
"""How often all of the JSON may be copied: each sequence copies what is in it."""
_COUNTED = 256
"""Heads and values, whose JSON is counted at once."""
_ITEM = 3
"""Bytes of an item that are not of its elements."""


class DataSetContext:
    """What the values of one data set or item are read with: its character set and Pixel Representation.

    An item has its own where it says so, else those of the data set around it (PS3.3 C.12.1.1.2).
    """

    __slots__ = (
        "_copies_left",
        "_default",
        "_findings",
        "_json_left",
        "_set",
        "_sets",
        "_settings",
        "base",
        "declared",
        "flaws",
        "guesses",
        "numbers",
        "path",
        "places",
        "signed",
        "tags",
        "values_left",
    )

    def __init__(self, settings: ReaderSettings, findings: Findings) -> None:
        self.numbers = settings.numbers_as == "number"
        self.signed = False
        self.tags: list[int] = []
        """The tags of the sequences that are being encoded, as a finding has them."""
        self.places: list[int] = []
        """The number of the item of each that is being encoded."""
        self.path = ""
        """The tags and numbers down to the innermost sequence, as a BulkDataURI has them."""
        self.flaws: list[Flaw] = []
        self.guesses = 0
        """How many values were not of the declared character set."""
        self.base = ""
        """The path of the instance, relative to the root of the DICOMweb service."""
        self.declared: tuple[str, ...] = ()
        """Specific Character Set of the top level."""
        self._default = settings.default_character_set
        self._findings = findings
        self._settings = settings
        self._json_left, self.values_left = settings.max_json, settings.max_values
        self._copies_left = _MOST_COPIES * settings.max_json
        self._set = character_set((), self._default)
        self._sets: dict[bytes, CharacterSet] = {}

    def enter(self, elements: Elements) -> tuple[CharacterSet, bool]:
        """Take over what the elements of a data set or item say; give what to `leave` with."""
        before = self._set, self.signed
        for head, value in pairs(elements):
            tag = head.tag
            if tag > _CHARACTER_SET:
                break
            if tag == _CHARACTER_SET and type(value) is bytes:
                self._set = self._sets.get(value) or self._declared(value)
                if not self._set.known:
                    self.note(Rule.UNKNOWN_CHARACTER_SET, "read what is not ASCII by a guess", _CHARACTER_SET)
        if elements and elements[-2].tag >= _PIXEL_REPRESENTATION:
            heads = elements[::2]
            place = bisect_left(heads, _PIXEL_REPRESENTATION, key=attrgetter("tag"))
            if heads[place].tag == _PIXEL_REPRESENTATION and (value := elements[2 * place + 1]):
                self.signed = type(value) is bytes and value[0] == 1
        return before

    @property
    def terms(self) -> tuple[str, ...]:
        """Specific Character Set of the data set or item that is being read."""
        return self._set.terms

    def leave(self, before: tuple[CharacterSet, bool]) -> None:
        """Return to the data set around."""
        self._set, self.signed = before

    def _declared(self, value: bytes) -> CharacterSet:
        text = value[:_LONGEST_DECLARED].decode("ascii", "replace").rstrip(" \0")
        # As in every value, a NUL ends one.
        terms = tuple(term.partition("\0")[0].strip(" ") for term in text.split("\\"))[:_MOST_TERMS] if text else ()
        self.spend(len(terms) * 4)  # as many as could have been decoded in the time
        if len(self._sets) >= _MOST_SETS:
            self._sets.clear()
        self._sets[value] = character_set(terms, self._default)
        return self._sets[value]

    def decode(self, value: bytes, *, person_name: bool = False) -> str:
        """Decode text of the VRs that Specific Character Set affects (PS3.5 6.1.2.3)."""
        if b"\x1b" in value:
            self.spend(value.count(b"\x1b") * 2)
        elif value.isascii():
            return value.decode("ascii")
        text, repair = self._set.decode(value, person_name=person_name)
        if repair:
            self._spend_guess(value, b"\\=" if person_name else b"\\")
            self.flaws.append((Rule.CHARACTER_SET, repair))
        return text

    def decode_repertoire(self, value: bytes) -> str:
        """Decode text that should be of the default repertoire."""
        if value.isascii():
            return value.decode("ascii")
        self._spend_guess(value, b"\\\x1b")
        return self._set.decode(value)[0]

    def _spend_guess(self, value: bytes, delimiters: bytes) -> None:
        """Count text that is not what it is declared as: by its length, and by its pieces, each decoded on its own."""
        pieces = len(value) - len(value.translate(None, delimiters))
        self.spend(_GUESS + len(value) // 4 + _PIECE * pieces)

    def text(self, value: bytes, *, person_name: bool = False) -> str:
        """Decode text for the DICOM JSON, in which each character stands for a byte of UTF-8; see `encode_json`."""
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        return _as_utf8(self.decode(value, person_name=person_name))

    def repertoire_text(self, value: bytes) -> str:
        """Do the same for text that should be of the default repertoire."""
        return _as_utf8(self.decode_repertoire(value))

    def spend(self, values: int) -> None:
        """Count values that are written one by one."""
        self.values_left -= values
        if self.values_left < 0:
            raise DicomError(
                Reason.TOO_MANY_VALUES,
                f"There are more than {self._settings.max_values} values in texts and lists of numbers; "
                "raise reader.max_values to read it.",
            )

    def written(self, size: int) -> None:
        """Count JSON that was written."""
        self._json_left -= size
        if self._json_left < 0:
            raise self._too_much_json()

    def _too_much_json(self) -> DicomError:
        return DicomError(
            Reason.TOO_MUCH_JSON,
            f"The DICOM JSON is longer than {self._settings.max_json} bytes, or in very deep sequences than a part of "
            "that; raise reader.max_json to read it.",
        )

    def sequence(self, tag: int, items: Items) -> str:
        """Write the items of a sequence."""
        before = self._set, self.signed
        left = self._json_left
        path, places = self.path, self.places
        self.path = f"{path}{places[-1]}.{tag:08X}." if places else f"{tag:08X}."
        self.tags.append(tag)
        places.append(0)
        written = []
        for item in items:
            places[-1] += 1
            if not item:
                text = ""
            elif len(item) <= _COUNTED and item[0].tag > _CHARACTER_SET and item[-2].tag < _PIXEL_REPRESENTATION:
                text = ",".join(_written(item, self))
            else:
                self.enter(item)
                text = ",".join(_attributes(item, self))
                self._set, self.signed = before
            self._json_left -= _ITEM if len(item) > _COUNTED else _ITEM + len(text)
            if self._json_left < 0:
                self.written(0)
            written.append(f"{{{text}}}")
        places.pop()
        self.tags.pop()
        self.path = path
        # Who wrote the sequence counts it with its items.
        self._json_left = left
        text = f',"Value":[{",".join(written)}]}}'
        self._copies_left -= len(text)
        if self._copies_left < 0:
            raise self._too_much_json()
        return text

    def uri(self, tag: int) -> str:
        """Give the BulkDataURI of an element of this data set, relative to the root of the DICOMweb service."""
        item = f"{self.path}{self.places[-1]}." if self.places else ""
        return f"{self.base}/bulkdata/{item}{tag:08X}"

    def doubted(self, doubt: Doubt, tag: int) -> None:
        """Note what an encoder doubted."""
        for rule, action in doubt.flaws:
            self.guesses += rule is Rule.CHARACTER_SET
            self.note(rule, action, tag)

    def note(self, rule: Rule, action: str, tag: int) -> None:
        """Note a finding at a tag of this data set."""
        self._findings.add([*self.tags, tag], rule, action)


def encode_json(elements: Elements, context: DataSetContext) -> bytes:
    """Write a data set as one DICOM JSON object. All text is UTF-8, and so says (0008,0005) (PS3.18 F.2).

    While it is put together, each character stands for one byte of UTF-8. So its length is known all the time, and one
    character outside ASCII does not make all of it take twice or four times the memory.

    The context stays that of the data set.

    Raises:
        DicomError: it has more values, or becomes longer, than the settings allow.
    """
    context.enter(elements)
    context.declared = context.terms
    parts = _attributes(elements, context)
    if context.guesses and not any(head.tag == _CHARACTER_SET for head in elements[::2]):
        parts.insert(sum(head.tag < _CHARACTER_SET for head in elements[::2]), _UTF8)
    text = ",".join(parts)
    if len(elements) <= _COUNTED:
        context.written(len(text))
    parts.clear()
    return b"{%b}" % text.encode("latin-1")


def _as_utf8(text: str) -> str:
    # No decoder gives lone surrogates; if one ever did, a "?" is better than a lost instance.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def _attributes(elements: Elements, context: DataSetContext) -> list[str]:
    # Counted every so many elements: more often costs time, and less often memory. Fewer are counted when joined.
    if len(elements) <= _COUNTED:
        return _written(elements, context)
    parts: list[str] = []
    for begin in range(0, len(elements), _COUNTED):
        some = _written(elements[begin : begin + _COUNTED], context)
        context.written(sum(map(len, some)) + len(some))
        parts += some
    return parts


def _written(elements: Elements, context: DataSetContext) -> list[str]:
    parts: list[str] = []
    append = parts.append
    for head, value in pairs(elements):
        known = head.known
        if known is not None and (written := known.get(value)) is not None:  # type: ignore[arg-type]  # if it is other than bytes, it is not known
            if isinstance(written, str):
                append(written)
            else:  # what counts against a limit counts each time, whatever this process has read before
                context.spend(written[1])
                append(written[0])
            continue
        left = context.values_left
        try:
            text = head.prefix + head.encode(value, context)
        except Doubt as doubt:
            append(head.prefix + doubt.text)
            context.doubted(doubt, head.tag)
            continue
        append(text)
        if known is not None:
            spent = left - context.values_left
            known.keep(value, (text, spent) if spent else text)  # type: ignore[arg-type]  # a head for other than bytes has nothing known
    return parts
