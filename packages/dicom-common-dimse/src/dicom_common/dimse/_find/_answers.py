"""The identifiers of pending responses: what was asked for, and nothing else (PS3.4 C.4.1.1.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from dicom_common.core import ATTRIBUTES_BY_KEYWORD, Match
from dicom_common.dimse._find._models import LEVEL
from dicom_common.dimse._find._request import AVAILABILITY, RETRIEVE_AE, FindRequest
from dicom_common.dimse._find._values import empty, from_json, from_match, text_of
from dicom_common.dimse._identifiers import (
    Encoding,
    TextEncoder,
    Written,
    encoder_for,
    head_writer,
    write_ascii,
    write_identifier,
)
from dicom_common.toolkit.query_rules import COMPUTED

__all__ = ["Answers"]

_VRS = {keyword: one.vr for keyword, one in (ATTRIBUTES_BY_KEYWORD | COMPUTED).items()}
_CHARACTER_SET = 0x00080005
_REMEMBERED = 512
"""Values whose bytes are remembered: dates, codes and counts come again and again."""
_REPEATED = frozenset(("AS", "CS", "DA", "IS", "TM"))


class Answers:
    """Writes the identifiers of the responses to one request.

    Args:
        request: what was asked for.
        encoding: of the presentation context.
        retrieve_ae: the AE title that instances are retrieved from.
        character_set: the terms of the Specific Character Set that the peer wants; none: that of its query.
    """

    def __init__(
        self, request: FindRequest, encoding: Encoding, retrieve_ae: str, character_set: tuple[str, ...] = ()
    ) -> None:
        self._request, self._encoding = request, encoding
        identifier = request.identifier
        self._texts: TextEncoder = encoder_for(character_set or identifier.terms)
        self._declares = _CHARACTER_SET in identifier
        self._same = [Written(LEVEL, "CS", request.level_name), Written(RETRIEVE_AE, "AE", retrieve_ae)]
        if AVAILABILITY in identifier:
            self._same.append(Written(AVAILABILITY, "CS", "ONLINE"))
        self._same += [empty(tag, identifier.elements[tag].vr) for tag in request.unsupported]
        self._pieces = [] if request.from_metadata else self._ascii_pieces()

    def identifier(self, match: Match, metadata: bytes | None = None) -> bytes:
        """Write the identifier of a match.

        Args:
            match: what the index found.
            metadata: its kept DICOM JSON object, where `FindRequest.from_metadata` says that it is needed.
        """
        if self._pieces:
            try:
                return b"".join([piece if type(piece) is bytes else piece(match) for piece in self._pieces])  # type: ignore[operator]  # what is not bytes is called
            except UnicodeEncodeError:
                pass  # the text is in a character set, and the answer has to say in which
        kept = msgspec.json.decode(metadata) if metadata is not None else {}
        elements = [*self._same, *(self._element(tag, name, match, kept) for tag, name in self._request.asked.items())]
        return write_identifier(elements, self._encoding, self._texts, declare=self._declares)

    def _element(self, tag: int, keyword: str, match: Match, kept: Mapping[str, Any]) -> Written:
        asked = self._request.identifier.elements[tag]
        if keyword:
            item = asked.items[0] if asked.items and asked.items[0].elements else None
            return from_match(tag, _VRS[keyword], match.get(keyword), self._encoding, item)
        name = f"{tag:08X}"
        return from_json(tag, kept[name], self._encoding, asked.items) if name in kept else empty(tag, asked.vr)

    def _ascii_pieces(self) -> list[bytes | Callable[[Match], bytes]]:
        """Return what an answer is joined of whose text is ASCII, as most are: bytes, or what makes them of a match."""
        pieces: dict[int, bytes | Callable[[Match], bytes]] = {
            one.tag: write_ascii(one, self._encoding) for one in self._same
        }
        if self._declares:
            terms = Written(_CHARACTER_SET, "CS", "\\".join(self._texts.terms))
            pieces[_CHARACTER_SET] = write_ascii(terms, self._encoding)
        for tag, keyword in self._request.asked.items():
            pieces[tag] = self._ascii_piece(tag, keyword)
        return [pieces[tag] for tag in sorted(pieces)]

    def _ascii_piece(self, tag: int, keyword: str) -> Callable[[Match], bytes]:
        vr, encoding = _VRS[keyword], self._encoding
        if vr in ("SQ", "US"):
            return lambda match: write_ascii(self._element(tag, keyword, match, {}), encoding)
        head, padding = head_writer(tag, vr, encoding), b"\0" if vr == "UI" else b" "

        def write(value: Any) -> bytes:
            data = (value if type(value) is str else text_of(value)).encode("ascii")
            if len(data) % 2:
                data += padding
            return head(len(data)) + data

        if vr in _REPEATED:
            write = lru_cache(_REMEMBERED)(write)
        return lambda match: write(match.get(keyword))
