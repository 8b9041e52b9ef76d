"""The authenticator `example`: a list of tokens in a file. Ask your own authority in its place."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import (
    AuthenticationError,
    ConfigError,
    Health,
    HealthStatus,
    Principal,
    UnavailableError,
    validate_tenant,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of the table `[auth]`."""

    file: Path = Path("tokens.json")
    """A JSON object: SHA-256 of a token in hex -> `{"subject": ..., "tenant": ..., "scopes": [...]}`."""


class ExampleAuthenticator:
    """Knows tokens by their digests. The methods promise what `dicom_common.core.Authenticator` says."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.file

    def authenticate(self, token: str) -> Principal:
        """Look the token's digest up; which part of it differs cannot be told from the time that this takes."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        for known, entry in self._principals().items():
            if hmac.compare_digest(known, digest):
                return entry
        raise AuthenticationError("The token is not known.")

    def check(self) -> Health:
        """Read the file. Where that fails, what it raises is the answer: the host makes a `Health` of it."""
        return Health(status=HealthStatus.OK, detail=f"{len(self._principals())} tokens are known")

    def close(self) -> None:
        """Release nothing: the file is read for each token, so that a token can be withdrawn at any time."""

    def _principals(self) -> dict[str, Principal]:
        try:
            entries = json.loads(self._file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UnavailableError(f"The token file {self._file} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise ConfigError(f"The token file {self._file} is not a JSON object.") from error
        return {
            digest: Principal(
                subject=entry["subject"],
                tenant=validate_tenant(entry["tenant"]),
                scopes=frozenset(entry.get("scopes", ())),
            )
            for digest, entry in entries.items()
        }
