"""C-GET and C-MOVE requests (PS3.4 C.4.2, C.4.3) as a client makes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, cast

from pydicom.dataset import Dataset

from dicom_common.core import DicomCommonError, Level, Origin, UnavailableError
from dicom_common.dicom import file_start
from dicom_common.dimse._calling._association import associated
from dicom_common.dimse._calling._contexts import MOST_CONTEXTS, UNCOMPRESSED, contexts_for_get
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._calling._identifiers import encoded, identifier
from dicom_common.dimse._calling._querying import LOW, context_of, failed, require_status
from dicom_common.dimse._receiving import Arriving, Command, Incoming, Operation, Tag, Value
from dicom_common.dimse._requesting import Proposal
from dicom_common.dimse._status_ranges import StatusCategory, category_of
from dicom_common.dimse._store import refusal_of
from dicom_common.pipeline import MOST_HELD, Received, Result, status_codes

__all__ = ["Wanted", "get", "move"]

_STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
_STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
_OUT_OF_RESOURCES: Final = 0xA700
_ALL_FAILED: Final = 0xA702
"""The peer could not perform sub-operations (PS3.4 Table C.4-2); the instances that arrived are reported anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Instances of a series."""

    study_uid: str
    series_uid: str
    classes: Mapping[str, str]
    """SOP Instance UID -> SOP Class UID; an empty text if the peer did not return it."""
    is_whole_series: bool
    """Whether these are all of the series, so that it can be asked for as a whole."""

    def without(self, told: Collection[str]) -> Wanted:
        """Return those that are not among `told`."""
        left = {uid: sop_class for uid, sop_class in self.classes.items() if uid not in told}
        return replace(self, classes=left, is_whole_series=self.is_whole_series and len(left) == len(self.classes))

    def identifier(self) -> Dataset:
        """Return the identifier that asks for them."""
        keys = {"StudyInstanceUID": self.study_uid, "SeriesInstanceUID": self.series_uid}
        if self.is_whole_series:
            return identifier(Level.SERIES, keys)
        return identifier(Level.INSTANCE, {**keys, "SOPInstanceUID": "\\".join(self.classes)})

    def sop_classes(self) -> list[str]:
        """Return the SOP classes of what will come, as many as one association has contexts for."""
        known = dict.fromkeys(uid for uid in self.classes.values() if uid)
        if len(known) < len(set(self.classes.values())):  # of some the peer did not say it
            from pynetdicom import StoragePresentationContexts  # noqa: PLC0415 - few peers do not say it

            known |= dict.fromkeys(str(one.abstract_syntax) for one in StoragePresentationContexts)
        return list(known)[: MOST_CONTEXTS - 1]


def get(
    destination: Destination, wanted: Wanted, take: Callable[[Received], Result]
) -> Generator[tuple[str, Result], None, None]:
    """Ask for instances by C-GET, and tell of each that comes: its SOP Instance UID, and what `take` said.

    Args:
        destination: whom to ask.
        wanted: what for.
        take: takes an instance in; the peer is answered by its result.

    Raises:
        UnavailableError: the peer cannot be reached, or broke off.
        RefusedError: it rejects the association, or does not offer the service.
        BackendError: it answers with a failure.
        DicomCommonError: what `take` raised.
    """
    arrived: deque[tuple[str, Result]] = deque()
    errors: list[DicomCommonError] = []
    origin = Origin(source="dimse", ae_title=destination.ae_title, ip=destination.host)

    def on_store(context: Proposal, request: Command, data: Incoming) -> int:
        class_uid, sop_uid = request.text(Tag.AFFECTED_SOP_CLASS), request.text(Tag.AFFECTED_SOP_INSTANCE)
        if (refused := refusal_of(class_uid, sop_uid, context.abstract_syntax)) is not None:
            return refused[0]
        held = bytearray(
            file_start(class_uid, sop_uid, context.transfer_syntaxes[0], source_ae_title=destination.ae_title)
        )
        is_whole = data.collect(held, MOST_HELD)
        source = bytes(held) if is_whole else cast("BinaryIO", Arriving(held, data))
        try:
            result = take(
                Received(source=source, name=sop_uid, origin=origin, sop_class_uid=class_uid, sop_uid=sop_uid)
            )
        except DicomCommonError as error:
            errors.append(error)
            return _OUT_OF_RESOURCES
        arrived.append((sop_uid, result))
        return status_codes(result).c_store

    sop_classes = wanted.sop_classes()
    contexts = contexts_for_get(_STUDY_ROOT_GET, sop_classes)
    values: dict[Tag, Value] = {Tag.AFFECTED_SOP_CLASS: _STUDY_ROOT_GET, Tag.PRIORITY: LOW}
    with associated(destination, contexts, as_scp=sop_classes) as association:
        context_id, syntax = context_of(association, _STUDY_ROOT_GET)
        data = [encoded(wanted.identifier(), syntax)]
        try:
            for response, _ in association.responses(context_id, Operation.C_GET, values, data, on_store):
                while arrived:
                    yield arrived.popleft()
                if errors:
                    raise errors[0]
                _require_done(response, destination, "C-GET")
        except UnavailableError:
            yield from arrived  # a peer need not send pending responses: what came before the end is told
            raise


def move(destination: Destination, wanted: Wanted, to: str) -> None:
    """Ask for instances by C-MOVE, and wait until the peer has sent them, or tried to.

    Args:
        destination: whom to ask.
        wanted: what for.
        to: the AE title that the instances are sent to; the peer knows its address.

    Raises:
        UnavailableError: the peer cannot be reached, or broke off.
        RefusedError: it rejects the association, or does not offer the service.
        BackendError: it answers with a failure, such as A801: it does not know `to`.
    """
    values: dict[Tag, Value] = {
        Tag.AFFECTED_SOP_CLASS: _STUDY_ROOT_MOVE,
        Tag.MOVE_DESTINATION: to,
        Tag.PRIORITY: LOW,
    }
    with associated(destination, [Proposal(_STUDY_ROOT_MOVE, UNCOMPRESSED)]) as association:
        context_id, syntax = context_of(association, _STUDY_ROOT_MOVE)
        data = [encoded(wanted.identifier(), syntax)]
        for response, _ in association.responses(context_id, Operation.C_MOVE, values, data):
            _require_done(response, destination, "C-MOVE")


def _require_done(response: Command, destination: Destination, service: str) -> None:
    code = require_status(response, destination, service)
    if category_of(code) is StatusCategory.FAILURE and code != _ALL_FAILED:
        raise failed(destination, service, code)
