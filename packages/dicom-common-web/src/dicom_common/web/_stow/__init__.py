"""STOW-RS: instances come in (PS3.18 10.5)."""

from dicom_common.web._stow._answer import OFFERS as ANSWER_OFFERS
from dicom_common.web._stow._endpoints import STOW, TAKES

__all__ = ["ANSWER_OFFERS", "STOW", "TAKES"]
