"""Which backend is verified: as text, which the process of the tests and its children are given."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dicom_common.cli import Session
from dicom_common.core import Database
from dicom_common.testing._verify._scratch import ScratchCache, scratch_storage

__all__ = ["KINDS", "Target", "is_empty", "live", "open_scratch"]

KINDS = ("broker", "cache", "db", "storage")
"""What can be verified live: the keys of a keyring in use must not be rotated, and an issuer signs no test's tokens."""
_VARIABLE = "DICOM_COMMON_TEST_VERIFY"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The backend of a table of a configuration."""

    kind: str
    table: str
    """`storage`, or the name of a further one."""
    file: str | None
    data: str | None
    scratch: Mapping[str, str] = field(default_factory=dict)
    """Settings of an index of the tests' own; `{}` in a value is another text for each test."""
    not_promised: Mapping[str, str] = field(default_factory=dict)
    refused_keys: Sequence[str] = ()
    """Keys that a storage cannot hold under their own name."""
    create: str = ""
    """A command that makes an empty index for a test, with `{}` in it; "" if the backend makes it when it is opened."""
    drop: str = ""
    """The command that removes it."""
    names: str = ""
    """The file in which the tests write down the names of what they keep."""

    def environment(self) -> dict[str, str]:
        """Return what lets a process find this target."""
        return os.environ | {_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def named(cls) -> Target:
        """Return the target of this process; in a process that verifies nothing, one of no kind."""
        named = os.environ.get(_VARIABLE)
        return cls(kind="", table="", file=None, data=None) if named is None else cls(**json.loads(named))

    def session(self, scratch: str = "") -> Session:
        """Return a session of its own, whose services belong to who opens the backend."""
        session = Session(
            file=Path(self.file) if self.file is not None else None,
            data=Path(self.data) if self.data is not None else None,
        )
        session.override({key: value.replace("{}", scratch) for key, value in self.scratch.items()})
        return session


def live(target: Target, scratch: str = "") -> Any:
    """Open the backend itself."""
    services = target.session(scratch).services
    if target.kind == "storage" and target.table != "storage":
        return services.storage_named(target.table)
    return getattr(services, target.kind)


def is_empty(index: Database) -> bool:
    """Tell whether no instance is in an index: one that is in use is not for tests."""
    return next(iter(index.walk()), None) is None


def open_scratch(scratch: str) -> Any:
    """Open the backend of this process's target for one test."""
    target = Target.named()
    opened = live(target, scratch)
    if target.kind == "storage":
        return scratch_storage(opened, f"{scratch}/")
    return ScratchCache(opened) if target.kind == "cache" else opened
