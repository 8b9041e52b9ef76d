"""Storage (PS3.4 annex B): C-STORE."""

from dicom_common.dimse._store._store import store_service

__all__ = ["store_service"]
