"""QIDO-RS: searching (PS3.18 10.6)."""

from dicom_common.web._qido._search import SEARCHES

__all__ = ["SEARCHES"]
