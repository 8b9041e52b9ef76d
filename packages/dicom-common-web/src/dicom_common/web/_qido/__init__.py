"""QIDO-RS: searching (PS3.18 10.6)."""

from dicom_common.web._qido._resources import RESOURCES
from dicom_common.web._qido._search import OFFERS as SEARCH_OFFERS, SEARCHES

__all__ = ["RESOURCES", "SEARCHES", "SEARCH_OFFERS"]
