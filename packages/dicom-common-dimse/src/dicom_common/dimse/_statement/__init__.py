"""The networking section of the conformance statement (PS3.2, PS3.7, PS3.8)."""

from dicom_common.dimse._statement._statement import conformance

__all__ = ["conformance"]
