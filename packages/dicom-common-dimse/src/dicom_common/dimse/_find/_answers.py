"""The identifiers of pending responses: what was asked for, and nothing else (PS3.4 C.4.1.1.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dicom_common.core import ATTRIBUTES_BY_KEYWORD, Match
from dicom_common.dimse._find._models import LEVEL
from dicom_common.dimse._find._request import AVAILABILITY, RETRIEVE_AE, FindRequest
from dicom_common.dimse._find._values import empty, from_json, from_match
from dicom_common.dimse._identifiers import Encoding, TextEncoder, Written, encoder_for, write_identifier
from dicom_common.toolkit.query_rules import COMPUTED

__all__ = ["Answers"]

_VRS = {keyword: one.vr for keyword, one in (ATTRIBUTES_BY_KEYWORD | COMPUTED).items()}
_CHARACTER_SET = 0x00080005


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
        self._of_match: list[Callable[[Match], Written]] = []
        self._of_metadata: list[Callable[[Mapping[str, Any]], Written]] = []
        for tag, keyword in request.asked.items():
            if keyword:
                self._of_match.append(self._match_writer(tag, keyword))
            else:
                self._of_metadata.append(self._metadata_writer(tag))

    def _match_writer(self, tag: int, keyword: str) -> Callable[[Match], Written]:
        vr, encoding = _VRS[keyword], self._encoding
        items = self._request.identifier.elements[tag].items
        key = items[0] if items and items[0].elements else None
        return lambda match: from_match(tag, vr, match.get(keyword), encoding, key)

    def _metadata_writer(self, tag: int) -> Callable[[Mapping[str, Any]], Written]:
        name, asked, encoding = f"{tag:08X}", self._request.identifier.elements[tag], self._encoding
        return lambda kept: from_json(tag, kept[name], encoding, asked.items) if name in kept else empty(tag, asked.vr)

    def identifier(self, match: Match, metadata: bytes | None = None) -> bytes:
        """Write the identifier of a match.

        Args:
            match: what the index found.
            metadata: its kept DICOM JSON object, where `FindRequest.from_metadata` says that it is needed.
        """
        elements = [*self._same, *[write(match) for write in self._of_match]]
        if self._of_metadata:
            kept = msgspec.json.decode(metadata) if metadata is not None else {}
            elements += [write(kept) for write in self._of_metadata]
        return write_identifier(elements, self._encoding, self._texts, declare=self._declares)
