"""Storage (PS3.4 annex B): C-STORE."""

from dicom_common.dimse._store._store import refusal_of, store_service

__all__ = ["refusal_of", "store_service"]
