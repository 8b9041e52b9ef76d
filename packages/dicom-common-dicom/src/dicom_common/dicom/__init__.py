"""Reading DICOM: one safe, tolerant pass over the bytes gives the record of an instance and its DICOM JSON."""

from dicom_common.dicom._read import Readable, Reading, read
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["Readable", "ReaderSettings", "Reading", "Reason", "read"]
