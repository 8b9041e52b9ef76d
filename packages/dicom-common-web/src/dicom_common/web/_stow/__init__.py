"""STOW-RS: instances come in (PS3.18 10.5)."""

from dicom_common.web._stow._endpoints import STOW

__all__ = ["STOW"]
