"""The storage section of the conformance statement, for all services that receive instances (PS3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dicom_common.core import ATTRIBUTES
from dicom_common.pipeline._ingest._status_codes import DOUBTFUL, STATUSES
from dicom_common.pipeline._settings import IngestSettings
from dicom_common.toolkit import StatementSection, StatementTable
from dicom_common.toolkit.query_rules import COMPUTED, SEARCHED, WILDCARD_VRS

if TYPE_CHECKING:
    from dicom_common.host import Config

__all__ = ["conformance"]

_DUPLICATES: Final = {
    "reject": "is refused (0111)",
    "replace": "replaces the stored one, which is deleted once the new one is durable",
    "keep": "is acknowledged with B006; the stored one is kept",
}
_OTHER_PATIENT: Final = {
    "accept-first": "is stored with a warning (B007); the study keeps the patient of its earliest received instance",
    "reject": "is refused (A902)",
}
_MODES: Final = {
    "direct": "durable and indexed: searches find it at once",
    "queued": "durable in the storage; a worker indexes it shortly afterwards",
}
_TEXT: Final = """\
An instance needs SOP Class UID, SOP Instance UID, Study Instance UID and Series Instance UID; every other attribute may
be absent, empty or unreadable. Its data set is stored byte for byte as received: no attribute is coerced, so no
Original Attributes Sequence is added. An acknowledged instance is {mode}. An object may have up to {most:,} bytes.

Storing the same instance again succeeds without writing anything, even if its File Preamble or File Meta Information
differs. A different data set with a known SOP Instance UID {duplicates}; if it names another study or series, it is
refused (A901).

Issuer of Patient ID and Patient ID identify a patient; without a Patient ID each study has a patient of its own. An
instance of a study that belongs to another patient {other_patient}."""
_MEANINGS: Final = {
    0x0000: "Success",
    0x0110: "Processing failure",
    0x0111: "Duplicate SOP Instance",
    0x0122: "SOP Class not supported",
    0x0124: "Not authorized",
    0xB006: "Warning: elements discarded",
    0xB007: "Warning: data set does not match SOP Class",
    0xC122: "Error: cannot understand (transfer syntax not supported)",
}
_RANGES: Final = {
    0xA7: "Refused: out of resources",
    0xA9: "Error: data set does not match SOP Class",
    0xC0: "Error: cannot understand",
}


def conformance(config: Config) -> StatementSection:
    """Return the storage section."""
    settings = config.section("ingest", IngestSettings)
    text = _TEXT.format(
        mode=_MODES[settings.mode],
        most=settings.max_object_bytes,
        duplicates=_DUPLICATES[settings.duplicates],
        other_patient=_OTHER_PATIENT[settings.other_patient],
    )
    statuses = StatementTable(
        title="Status of C-STORE (0000,0900), Failure Reason and Warning Reason of STOW-RS",
        columns=("Code", "Meaning", "Reason"),
        rows=_statuses(),
    )
    attributes = StatementTable(
        title="Indexed attributes, and how C-FIND and QIDO-RS match them (PS3.4 C.2.2.2)",
        columns=("Attribute", "Tag", "VR", "Level", "Matching"),
        rows=_attributes(),
    )
    return StatementSection(place=40, title="Storing instances", text=text, tables=(statuses, attributes))


def _attributes() -> tuple[tuple[str, ...], ...]:
    rows = {one.keyword: (one.tag, one.vr, one.level) for one in ATTRIBUTES}
    rows |= {keyword: (one.tag, one.vr, one.level) for keyword, one in SEARCHED.items()}
    rows |= {keyword: (one.tag, one.vr, one.level) for keyword, one in COMPUTED.items()}
    return tuple(
        (keyword, f"({tag >> 16:04X},{tag & 0xFFFF:04X})", vr, level.name.lower(), _matching(keyword, vr))
        for keyword, (tag, vr, level) in rows.items()
    )


def _matching(keyword: str, vr: str) -> str:
    if keyword not in SEARCHED:
        return "returned only" if vr != "SQ" else "by its attributes"
    kinds = ["single value", "universal"]
    if vr == "UI":
        kinds.append("list of UIDs")
    if vr in ("DA", "TM", "DT"):
        kinds.append("range")
    if vr in WILDCARD_VRS:
        kinds.append("wildcard")
    if vr == "PN":
        kinds.append("fuzzy (QIDO-RS)")
    return ", ".join(kinds)


def _statuses() -> tuple[tuple[str, str, str], ...]:
    reasons: dict[int, list[str]] = {0xB007: sorted(DOUBTFUL)}
    for reason, code in STATUSES.items():
        reasons.setdefault(code, []).append(reason)
    return tuple((f"{code:04X}", _meaning(code), ", ".join(reasons[code])) for code in sorted(reasons))


def _meaning(code: int) -> str:
    return _MEANINGS.get(code) or _RANGES[code >> 8]
