"""Storage commitment, Push Model (PS3.4 annex J)."""

from dicom_common.dimse._commitment._service import commitment_service

__all__ = ["commitment_service"]
