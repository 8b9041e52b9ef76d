"""An extension for dicom-common: a gate for modalities, and counts of what was stored."""

from __future__ import annotations

from acme_modality_gate._gate import ModalityGate, Settings
from dicom_common.core import Backend, hookimpl

__all__ = ["ModalityGate", "Settings", "dicom_common_extension"]


@hookimpl
def dicom_common_extension() -> Backend[ModalityGate]:
    """Offer the extension `modality-gate`."""
    return Backend("modality-gate", Settings, ModalityGate)
