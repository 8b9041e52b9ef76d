"""The health of a backend: `check` of a plugin may raise and hang, and is a `Health` here, within a time limit."""

from __future__ import annotations

from collections.abc import Callable

from dicom_common.core import DicomCommonError, Health, HealthStatus
from dicom_common.host._tracebacks import TRACEBACKS
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = ["health_within"]


def health_within(
    seconds: float, name: str, check: Callable[[], Health], *, gave_up: Callable[[], object] = lambda: None
) -> Health:
    """Ask for a health within a time limit. Never raises.

    Args:
        seconds: the time limit.
        name: what is asked, for the log of tracebacks.
        check: opens the backend where it has to, and asks it. Whatever it raises is a failure.
        gave_up: is called where the time is over.
    """
    try:
        return call_within(seconds, _asked, name, check)
    except TimeLimitError:
        gave_up()
        return Health(status=HealthStatus.FAILED, detail=f"no answer within {seconds:g} s")


def _asked(name: str, check: Callable[[], Health]) -> Health:
    """Ask in a thread of its own: whatever is raised here is the backend's doing."""
    try:
        health = check()
    except BaseException as error:  # noqa: BLE001 - a SystemExit too: others are asked
        TRACEBACKS.debug("the check of %s failed", name, exc_info=error)
        known = isinstance(error, DicomCommonError)
        return Health(
            status=HealthStatus.FAILED, detail=str(error) if known else f"its check failed: {type(error).__name__}"
        )
    if not isinstance(health, Health):
        return Health(status=HealthStatus.FAILED, detail=f"its check gave {type(health).__name__}, not a Health")
    return health
