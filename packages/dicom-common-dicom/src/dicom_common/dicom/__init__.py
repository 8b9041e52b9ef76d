"""Reading DICOM: one safe, tolerant pass over the bytes gives the record of an instance and its DICOM JSON."""

from dicom_common.dicom._reasons import Reason

__all__ = ["Reason"]
