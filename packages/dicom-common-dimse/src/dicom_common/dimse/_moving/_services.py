"""The two services that send what is stored."""

from __future__ import annotations

from dicom_common.dimse._find import GET_MODELS, MOVE_MODELS, RETRIEVE_FEATURES
from dicom_common.dimse._moving._get import get
from dicom_common.dimse._moving._move import Mover
from dicom_common.dimse._peers import Permission
from dicom_common.dimse._receiving import Operation, Service
from dicom_common.dimse._service_settings import RetrieveSettings

__all__ = ["retrieve_services"]


def retrieve_services(settings: RetrieveSettings) -> tuple[Service, Service]:
    """Return the services C-MOVE and C-GET."""
    mover = Mover(settings)
    move = Service(
        name="move",
        abstract_syntaxes=frozenset(MOVE_MODELS),
        operations={Operation.C_MOVE: mover.move},
        permission=Permission.RETRIEVE,
        extended=RETRIEVE_FEATURES,
        stop=mover.close,
    )
    return move, Service(
        name="get",
        abstract_syntaxes=frozenset(GET_MODELS),
        operations={Operation.C_GET: get},
        permission=Permission.RETRIEVE,
        extended=RETRIEVE_FEATURES,
    )
