"""The DICOM JSON of a data set (PS3.18 Annex F), as bytes."""

from __future__ import annotations

from dicom_common.dicom._character_sets import CharacterSet, character_set
from dicom_common.dicom._elements import Elements, Items
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._json_context import Doubt
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["DataSetContext", "encode_json"]

_CHARACTER_SET = 0x00080005
_PIXEL_REPRESENTATION = 0x00280103
_UTF8 = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'


class DataSetContext:
    """What the values of one data set or item are read with: its character set and Pixel Representation.

    An item has its own where it says so, else those of the data set around it (PS3.3 C.12.1.1.2).
    """

    __slots__ = (
        "_default",
        "_findings",
        "_set",
        "base",
        "declared",
        "guessed",
        "guesses",
        "numbers",
        "path",
        "signed",
        "tags",
    )

    def __init__(self, settings: ReaderSettings, findings: Findings) -> None:
        self.numbers = settings.numbers_as == "number"
        self.signed = False
        self.path: list[str] = []
        """Tags and item numbers down to the item that is being encoded, as a BulkDataURI has them."""
        self.tags: list[int] = []
        """The tags alone, as a finding has them."""
        self.guessed = False
        """Whether the last text was not of the declared character set."""
        self.guesses = 0
        self.base = ""
        """The path of the instance, relative to the root of the DICOMweb service."""
        self.declared: tuple[str, ...] = ()
        """Specific Character Set of the top level."""
        self._default = settings.default_character_set
        self._findings = findings
        self._set = character_set((), self._default)

    def enter(self, elements: Elements) -> tuple[CharacterSet, bool]:
        """Take over what the elements of a data set or item say; give what to `leave` with."""
        before = self._set, self.signed
        for head, value in elements:
            tag = head.tag
            if tag >= _PIXEL_REPRESENTATION:
                if tag == _PIXEL_REPRESENTATION and value:
                    self.signed = type(value) is bytes and value[0] == 1
                break
            if tag == _CHARACTER_SET and type(value) is bytes:
                self._declare(value)
        return before

    @property
    def terms(self) -> tuple[str, ...]:
        """Specific Character Set of the data set or item that is being read."""
        return self._set.terms

    def leave(self, before: tuple[CharacterSet, bool]) -> None:
        """Return to the data set around."""
        self._set, self.signed = before

    def _declare(self, value: bytes) -> None:
        text = value.decode("ascii", "replace").rstrip(" \0")
        terms = tuple(term.strip(" \0") for term in text.split("\\"))[:32] if text else ()
        self._set = character_set(terms, self._default)
        if not self._set.known:
            self.note(Rule.UNKNOWN_CHARACTER_SET, "read what is not ASCII by a guess", _CHARACTER_SET)

    def text(self, value: bytes, *, person_name: bool = False) -> str:
        """Decode text of the VRs that Specific Character Set affects (PS3.5 6.1.2.3)."""
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        text, declared = self._set.decode(value, person_name=person_name)
        self.guessed = not declared
        return text

    def repertoire_text(self, value: bytes) -> str:
        """Decode text that should be of the default repertoire."""
        return self._set.decode(value)[0]

    def sequence(self, value: Items) -> str:
        """Write the items of a sequence."""
        if not value.items:
            return "}"
        before = self._set, self.signed
        self.tags.append(value.tag)
        self.path.append(f"{value.tag:08X}")
        written = []
        for number, item in enumerate(value.items, 1):
            self.path.append(str(number))
            self.enter(item)
            written.append(f"{{{','.join(_attributes(item, self))}}}")
            self._set, self.signed = before
            self.path.pop()
        self.path.pop()
        self.tags.pop()
        return f',"Value":[{",".join(written)}]}}'

    def uri(self, tag: int) -> str:
        """Give the BulkDataURI of an element of this data set, relative to the root of the DICOMweb service."""
        return f"{self.base}/bulkdata/{'.'.join([*self.path, f'{tag:08X}'])}"

    def doubted(self, doubt: Doubt, tag: int) -> None:
        """Note what an encoder doubted."""
        if self.guessed:
            self.guessed = False
            self.guesses += 1
        self.note(doubt.rule, doubt.action, tag)

    def note(self, rule: Rule, action: str, tag: int) -> None:
        """Note a finding at a tag of this data set."""
        self._findings.add([*self.tags, tag], rule, action)


def encode_json(elements: Elements, context: DataSetContext) -> bytes:
    """Write a data set as one DICOM JSON object. All text is UTF-8, and so says (0008,0005) (PS3.18 F.2).

    The context stays that of the data set.
    """
    context.enter(elements)
    context.declared = context.terms
    parts = _attributes(elements, context)
    if context.guesses and not any(head.tag == _CHARACTER_SET for head, _ in elements):
        parts.insert(sum(head.tag < _CHARACTER_SET for head, _ in elements), _UTF8)
    # No decoder gives lone surrogates; if one ever did, a "?" is better than a lost instance.
    return f"{{{','.join(parts)}}}".encode("utf-8", "replace")


def _attributes(elements: Elements, context: DataSetContext) -> list[str]:
    parts: list[str] = []
    append = parts.append
    for head, value in elements:
        try:
            append(head.prefix + head.encode(value, context))
        except Doubt as doubt:
            append(head.prefix + doubt.text)
            context.doubted(doubt, head.tag)
    return parts
