"""The networking section of the conformance statement, made from the table of services and the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from pydicom.uid import UID

from dicom_common.dicom import TRANSFER_SYNTAXES
from dicom_common.dimse._receiving import Operation, Service
from dicom_common.dimse._services import services_of
from dicom_common.dimse._settings import DimseSettings
from dicom_common.dimse._statement._statuses import statuses
from dicom_common.toolkit import StatementSection, StatementTable

if TYPE_CHECKING:
    from dicom_common.host import Config

__all__ = ["conformance"]

_TEXT: Final = """\
The application entity `{title}` accepts associations on port {port} (`dicom-common scp`). It initiates associations
for `dicom-common echo`, `query`, `send` and `fetch`, for the sub-operations of C-MOVE, and for storage commitment
reports. The application context name is 1.2.840.10008.3.1.1.1. It accepts associations only from configured peers,
identified by their AE titles and, if configured, by address and certificate. It rejects any other (1/1/3 for an unknown
Calling AE Title, 1/1/7 for an unknown Called AE Title); a local limit leads to a transient rejection (2/3/2). In each
presentation context it accepts the first proposed transfer syntax that it supports. It answers Asynchronous Operations
Window Negotiation with 1, 1.

A request for a service that the peer is not allowed to use gets the status 0124. "Storing instances" describes what is
stored. Data sets are sent byte for byte as stored. If a C-MOVE destination or C-GET requester does not accept the
transfer syntax, the data set is sent in Explicit or Implicit VR Little Endian, provided that it can be decoded.

As SCU of the storage service, the application entity proposes one presentation context for each combination of SOP
class and transfer syntax; if 128 are not enough, it uses several associations. `send` tries again after a broken
association and after a status A7xx."""
_CALLS: Final = (
    ("Verification", "1.2.840.10008.1.1", "C-ECHO"),
    ("Patient Root Query/Retrieve Information Model - FIND", "1.2.840.10008.5.1.4.1.2.1.1", "C-FIND (patients)"),
    ("Study Root Query/Retrieve Information Model - FIND", "1.2.840.10008.5.1.4.1.2.2.1", "C-FIND"),
    ("Study Root Query/Retrieve Information Model - MOVE", "1.2.840.10008.5.1.4.1.2.2.2", "C-MOVE"),
    ("Study Root Query/Retrieve Information Model - GET", "1.2.840.10008.5.1.4.1.2.2.3", "C-GET"),
    ("Storage SOP classes of the instances sent or fetched", "-", "C-STORE (as SCP for C-GET)"),
)


def conformance(config: Config) -> StatementSection:
    """Return the networking section."""
    settings = config.section("dimse", DimseSettings)
    services = services_of(settings)
    peers = tuple(
        (
            name,
            one.ae_title,
            ", ".join(one.allow) or "-",
            "yes" if one.host else "no",
            "certificate" if one.certificate else "address" if one.addresses else "AE title",
        )
        for name, one in settings.peers.items()
    )
    return StatementSection(
        place=20,
        title="Networking",
        text=_TEXT.format(title=settings.ae_title, port=settings.port),
        tables=(
            StatementTable(
                title="SOP classes as SCP",
                columns=("Service", "SOP class", "UID", "Operations", "Also SCU on the same association"),
                rows=tuple(_sop_classes(services)),
            ),
            StatementTable(
                title="Transfer syntaxes as SCP",
                columns=("Service", "Transfer syntaxes"),
                rows=tuple((one.name, _syntaxes(one)) for one in services),
            ),
            StatementTable(title="SOP classes as SCU", columns=("SOP class", "UID", "Operation"), rows=_CALLS),
            statuses({_operation(one) for service in services for one in service.operations}),
            StatementTable(
                title="Peers", columns=("Name", "AE title", "May", "Destination", "Identified by"), rows=peers
            ),
            StatementTable(
                title="Limits",
                columns=("Setting of [dimse]", "Value"),
                rows=tuple(
                    (one.name, str(getattr(settings, one.name)))
                    for one in fields(settings)
                    if one.type in ("int", "float") and one.name != "port"
                ),
            ),
        ),
    )


def _sop_classes(services: Iterable[Service]) -> Iterable[tuple[str, ...]]:
    for service in services:
        operations = ", ".join(map(_operation, service.operations))
        also = "yes" if service.sends else "no"
        named = sorted((_name(uid), uid) for uid in service.abstract_syntaxes)
        yield from ((service.name, name, uid, operations, also) for name, uid in named)
        if service.any_abstract_syntax:
            yield service.name, "any other", "-", operations, also


def _operation(operation: Operation) -> str:
    return operation.name.replace("_", "-")


def _name(uid: str) -> str:
    name = UID(uid).name
    return "(not in pydicom's UID dictionary)" if name == uid else name


def _syntaxes(service: Service) -> str:
    names = [TRANSFER_SYNTAXES[uid].name if uid in TRANSFER_SYNTAXES else uid for uid in service.transfer_syntaxes]
    return ", ".join([*names, *(["any other"] if service.any_transfer_syntax else [])])
