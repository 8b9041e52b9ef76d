"""The table of what is offered: the one place that knows which service answers to which abstract syntax."""

from __future__ import annotations

from dicom_common.dimse._commitment import commitment_service
from dicom_common.dimse._echo import ECHO
from dicom_common.dimse._find import FIND
from dicom_common.dimse._moving import retrieve_services
from dicom_common.dimse._receiving import Service
from dicom_common.dimse._settings import DimseSettings
from dicom_common.dimse._store import store_service

__all__ = ["services_of"]


def services_of(settings: DimseSettings) -> tuple[Service, ...]:
    """Return the services that some settings offer."""
    return (ECHO, store_service(settings), FIND, *retrieve_services(settings.retrieve), commitment_service())
