"""The key of a tenant as it is stored: wrapped, with a digest that tells damage."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from dicom_common.core import DamagedError, TenantKey, WrappedKey
from dicom_common.toolkit import parse_json

__all__ = ["KEYS_SEGMENT", "KeyRecord", "context_of", "damaged"]

KEYS_SEGMENT = ".dicom-common-keys"
"""The first segment of the inner keys below which the tenants' keys are. No tenant's id begins with a dot."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A tenant's key as it is stored."""

    tenant: str
    generation: int
    created: datetime
    wrapped: WrappedKey

    def encode(self) -> bytes:
        """Return the bytes to store."""
        fields = {
            "version": 1,
            "tenant": self.tenant,
            "generation": self.generation,
            "created": self.created.isoformat(),
            "key_id": self.wrapped.key_id,
            "wrapped": base64.b64encode(self.wrapped.data).decode(),
        }
        body = json.dumps(fields, separators=(",", ":")).encode()
        # Tells damage from a keyring that lacks a key. What protects from forgery is the keyring's own authentication.
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def decode(cls, data: bytes, tenant: str, generation: int) -> KeyRecord:
        """Read the stored bytes of the key of this tenant and generation.

        Raises:
            DamagedError: they are not those.
        """
        digest, _, body = data.partition(b"\n")
        if digest != hashlib.sha256(body).hexdigest().encode():
            raise damaged()
        try:
            fields = parse_json(body)
            if (fields["version"], fields["tenant"], fields["generation"]) != (1, tenant, generation):
                raise damaged()
            wrapped = WrappedKey(str(fields["key_id"]), base64.b64decode(fields["wrapped"], validate=True))
            return cls(tenant, generation, datetime.fromisoformat(fields["created"]), wrapped)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise damaged() from None

    def shown(self) -> TenantKey:
        """Return what an operator is shown."""
        return TenantKey(
            tenant=self.tenant, generation=self.generation, key_id=self.wrapped.key_id, created=self.created
        )

    @property
    def context(self) -> bytes:
        """What the keyring authenticates with the key."""
        return context_of(self.generation, self.created)


def context_of(generation: int, created: datetime) -> bytes:
    """Return what the keyring authenticates with a key."""
    return f"{generation} {created.isoformat()}".encode()


def damaged() -> DamagedError:
    """Make the error of a key that is not there, or not as it was written."""
    return DamagedError(
        f"An object below {KEYS_SEGMENT} that holds a tenant's key is damaged or missing: restore it from a backup."
    )
