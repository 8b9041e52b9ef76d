"""The transfer syntax section of the conformance statement: what is stored, decoded and encoded (PS3.5)."""

from __future__ import annotations

from dicom_common.codecs._coders import DECODERS, ENCODERS, available
from dicom_common.dicom import TRANSFER_SYNTAXES, TransferSyntax
from dicom_common.toolkit import StatementSection, StatementTable

__all__ = ["conformance"]

_TEXT = """\
Instances are stored in the transfer syntax in which they are received, including private ones if
`reader.accept_unknown_transfer_syntaxes` is set. An instance is converted only for a response; the stored object does
not change. Pixel data is encoded only without loss, so an instance keeps its SOP Instance UID. The columns "Decoded"
and "Encoded" describe the codecs of this installation."""


def conformance(_config: object) -> StatementSection:
    """Return the transfer syntax section."""
    rows = tuple(
        (one.name, one.uid, "yes" if _is_decoded(one) else "no", "yes" if _is_encoded(one) else "no")
        for one in TRANSFER_SYNTAXES.values()
        if not one.private
    )
    table = StatementTable(title="Transfer syntaxes", columns=("Name", "UID", "Decoded", "Encoded"), rows=rows)
    return StatementSection(place=50, title="Transfer syntaxes and pixel data", text=_TEXT, tables=(table,))


def _is_decoded(syntax: TransferSyntax) -> bool:
    if syntax.video or syntax.referenced:
        return False
    return not syntax.encapsulated or bool(available(DECODERS.get(syntax.uid, ())))


def _is_encoded(syntax: TransferSyntax) -> bool:
    return syntax.uid == "1.2.840.10008.1.2.1" or bool(available(ENCODERS.get(syntax.uid, ())))
