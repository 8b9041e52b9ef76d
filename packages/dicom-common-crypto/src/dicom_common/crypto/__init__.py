"""Encrypted fields, and signed permissions that expire: what a server puts into its own tables and URLs."""

from __future__ import annotations

from dicom_common.crypto._capability import Capabilities, Capability, SigningKey
from dicom_common.crypto._fields import FieldCipher

__all__ = ["Capabilities", "Capability", "FieldCipher", "SigningKey"]
