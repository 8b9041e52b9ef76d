"""How a backend says whether it is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Health", "HealthStatus"]


class HealthStatus(StrEnum):
    """`DEGRADED` works, with a promise less or close to a limit; `FAILED` does not work."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The answer of a backend's `check`: one sentence for a person, facts for a machine, no secret in either.

    A `check` needs no time limit and no `except` of its own: the host limits the time, and takes what is raised for a
    failure, with the sentence of a `BackendError`.
    """

    status: HealthStatus
    detail: str
    facts: Mapping[str, str | int | float | bool] = field(default_factory=dict)
