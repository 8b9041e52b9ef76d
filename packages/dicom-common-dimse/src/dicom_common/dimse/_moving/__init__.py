"""C-MOVE and C-GET: sending what is stored (PS3.4 C.4.2, C.4.3)."""

from dicom_common.dimse._moving._destinations import address_of
from dicom_common.dimse._moving._services import retrieve_services

__all__ = ["address_of", "retrieve_services"]
