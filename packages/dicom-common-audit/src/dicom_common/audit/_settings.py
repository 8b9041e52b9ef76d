"""The table `[audit]` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import Secret, validate_topic

__all__ = ["AuditSettings"]

_SHORTEST_KEY = 16


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """How the audit trail is kept."""

    folder: Path = Path("audit")
    """Where the files of the trail are, and nothing else. All processes of an installation share it."""
    key: Secret | None = None
    """With a key the records are chained by HMAC-SHA256: who can write the files, and has no key, cannot make a chain
    that verifies. Without one by SHA-256: a change shows, a trail that was written anew from there on does not."""
    former_keys: tuple[Secret, ...] = ()
    """Keys that older records were chained with."""
    keyed_since: int = 1
    """The number of the first record that has to have a key; for a trail that was begun without one."""
    required: bool = False
    """Whether operations are refused, before they begin, while the trail cannot be written."""
    free_bytes: int = 64 * 1024 * 1024
    """The trail counts as not writable where the disk has less room than this."""
    file_bytes: int = 64 * 1024 * 1024
    """A file that is larger is followed by a new one, as is one of another day (UTC)."""
    publish: bool = True
    """Whether each record is published as an event too, through the outbox of the index."""
    topic: str = "webapi_access_queue"
    """The topic of these events."""
    source: str = ""
    """Audit Source ID (PS3.15 A.5.2); by default the host's name."""
    site: str = ""
    """Audit Enterprise Site ID."""

    def __post_init__(self) -> None:
        """Refuse keys that can be guessed, and limits that are none."""
        if self.key is not None and len(self.key.reveal()) < _SHORTEST_KEY:
            raise ValueError(
                f"key has to have at least {_SHORTEST_KEY} characters: make one with `openssl rand -hex 32`"
            )
        if self.former_keys and self.key is None:
            raise ValueError("there are former_keys, and no key: records would be chained without one")
        for name in ("keyed_since", "file_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")
        if self.free_bytes < 0:
            raise ValueError("free_bytes has to be 0 or more")
        validate_topic(self.topic)
