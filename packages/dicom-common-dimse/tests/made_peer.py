"""A peer made of pynetdicom: it keeps what is sent to it, answers C-FIND and C-GET from files, and fails when told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import build_context

from dicom_common.dicom import TRANSFER_SYNTAXES
from dicom_common.dimse import Client, Destination

__all__ = ["MadePeer", "made_peer"]

_MODELS = [f"1.2.840.10008.5.1.4.1.2.{root}.{service}" for root in (1, 2) for service in (1, 2, 3)]
_SOP_CLASSES = [f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("1", "2", "4", "7", "481.5")]
"""CR, CT, MR, Secondary Capture, RT Plan. Of all there are, pynetdicom would copy a table for each association."""
_KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass
class MadePeer:
    """What the peer has been sent and asked, and how it has to answer."""

    port: int
    received: dict[str, bytes] = field(default_factory=dict)
    """SOP Instance UID -> the data set as it came."""
    stores: list[str] = field(default_factory=list)
    """The SOP Instance UIDs of all C-STORE requests."""
    retrievals: list[Dataset] = field(default_factory=list)
    """The identifiers of all C-GET requests."""
    queries: list[Dataset] = field(default_factory=list)
    files: list[Dataset] = field(default_factory=list)
    """What it has."""
    on_store: Callable[[str, Association], int] = lambda _, __: 0
    """Is told each SOP Instance UID, and returns the status."""
    associations: int = 0

    def client(self, attempts: int = 3, **settings: Any) -> Client:
        """Return a client for it."""
        given = {"name": "made", "ae_title": "MADE", "calling_ae_title": "DICOMCOMMON", **settings}
        return Client(destination=Destination(host="127.0.0.1", port=self.port, **given), attempts=attempts)

    def stored(self, event: evt.Event) -> int:
        """Answer a C-STORE."""
        uid = str(cast(C_STORE, event.request).AffectedSOPInstanceUID)
        self.stores.append(uid)
        status = self.on_store(uid, event.assoc)
        if status == 0 or status >> 12 == 0xB:
            self.received[uid] = event.encoded_dataset(include_meta=False)
        return status

    def found(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        """Answer a C-FIND."""
        asked = event.identifier
        self.queries.append(asked)
        if asked.QueryRetrieveLevel in ("SERIES", "IMAGE") and not asked.get("StudyInstanceUID"):
            yield 0xA900, None
            return
        key = _KEYS.get(asked.QueryRetrieveLevel, "PatientID")
        matches: dict[Any, Dataset] = {}
        for one in _matching(self.files, asked):
            matches.setdefault(one.get(key), one)
        for one in matches.values():
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, _answer(one, asked)

    def retrieved(self, event: evt.Event) -> Iterator[Any]:
        """Answer a C-GET."""
        self.retrievals.append(event.identifier)
        found = _matching(self.files, event.identifier)
        yield len(found)
        for one in found:
            yield 0xFF00, one

    def accepted(self, _: evt.Event) -> None:
        """Count an association."""
        self.associations += 1


@contextmanager
def made_peer(
    files: Sequence[Path] = (), *, sop_classes: Sequence[str] | None = None, syntaxes: Sequence[str] | None = None
) -> Iterator[MadePeer]:
    """Serve until the block ends."""
    entity = AE(ae_title="MADE")
    entity.require_called_aet = True
    entity.maximum_associations = 4
    entity.supported_contexts = [build_context("1.2.840.10008.1.1"), *(build_context(uid) for uid in _MODELS)]
    for uid in _SOP_CLASSES if sop_classes is None else sop_classes:
        entity.add_supported_context(uid, list(syntaxes or TRANSFER_SYNTAXES), scu_role=True, scp_role=True)
    peer = MadePeer(0, files=[pydicom.dcmread(path) for path in files])

    handlers: list[Any] = [
        (evt.EVT_C_STORE, peer.stored),
        (evt.EVT_C_FIND, peer.found),
        (evt.EVT_C_GET, peer.retrieved),
        (evt.EVT_ACCEPTED, peer.accepted),
    ]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    peer.port = server.server_address[1]
    try:
        yield peer
    finally:
        server.shutdown()


def _answer(one: Dataset, asked: Dataset) -> Dataset:
    answer = Dataset()
    answer.SpecificCharacterSet = one.get("SpecificCharacterSet", "ISO_IR 192")
    answer.QueryRetrieveLevel = asked.QueryRetrieveLevel
    for element in asked:
        if element.keyword not in ("SpecificCharacterSet", "QueryRetrieveLevel"):
            answer.add(one[element.tag] if element.tag in one else type(element)(element.tag, element.VR, None))
    return answer


def _matching(files: Sequence[Dataset], asked: Dataset) -> list[Dataset]:
    def matches(one: Dataset) -> bool:
        for keyword in _KEYS.values():
            wanted = asked.get(keyword)
            if wanted and one.get(keyword) not in ([wanted] if isinstance(wanted, str) else wanted):
                return False
        name = asked.get("PatientName")
        return not name or str(name) in ("*", str(one.get("PatientName")))

    return [one for one in files if matches(one)]
