"""The network part of the conformance statement: from the table of services, and the settings."""

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
The application entity `{title}` accepts associations at port {port} (`dicom-common scp`), and asks for them
(`dicom-common echo`, `query`, `send`, `fetch`, and what its services send). The application context name is
1.2.840.10008.3.1.1.1. A request is let in only from a peer of the configuration, known by its AE titles and, where so
configured, its address and certificate; anybody else is rejected (1/1/3, or 1/1/7 for another called AE title). A local
limit is a transient rejection (2/3/2). Of the transfer syntaxes of a presentation context, the first that is supported
is accepted. An asynchronous operations window is answered with 1, 1.

Requests of a service that a peer is not allowed are answered with 0124. What is stored is described in "Storing
instances". Data sets go out byte for byte as they are stored; by C-MOVE and C-GET, to a peer that does not take the
transfer syntax, as Explicit or Implicit VR Little Endian where they can be decoded.

As SCU, one presentation context is proposed for each SOP class and transfer syntax to be sent; where 128 are not
enough, there are several associations. For `send`, an association that breaks off, and an instance that is answered
with A7xx, is tried again."""
_CALLS: Final = (
    ("Verification", "1.2.840.10008.1.1", "C-ECHO"),
    ("Patient Root Query/Retrieve Information Model - FIND", "1.2.840.10008.5.1.4.1.2.1.1", "C-FIND (patients)"),
    ("Study Root Query/Retrieve Information Model - FIND", "1.2.840.10008.5.1.4.1.2.2.1", "C-FIND"),
    ("Study Root Query/Retrieve Information Model - MOVE", "1.2.840.10008.5.1.4.1.2.2.2", "C-MOVE"),
    ("Study Root Query/Retrieve Information Model - GET", "1.2.840.10008.5.1.4.1.2.2.3", "C-GET"),
    ("Storage SOP classes of what is sent or fetched", "-", "C-STORE (as SCP for C-GET)"),
)


def conformance(config: Config) -> StatementSection:
    """Return the section on networking."""
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
                title="Peers", columns=("Name", "AE title", "May", "Is a destination", "Known by"), rows=peers
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
    return "(not in the dictionary of pydicom)" if name == uid else name


def _syntaxes(service: Service) -> str:
    names = [TRANSFER_SYNTAXES[uid].name if uid in TRANSFER_SYNTAXES else uid for uid in service.transfer_syntaxes]
    return ", ".join([*names, *(["any other"] if service.any_transfer_syntax else [])])
