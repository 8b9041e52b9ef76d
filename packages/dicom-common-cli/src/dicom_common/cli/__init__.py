"""The `dicom-common` command. What an extension's subcommand needs of it is `pass_session`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.cli._logging import LogSettings as LogSettings
    from dicom_common.cli._session import Session as Session, pass_session as pass_session

__all__ = ["LogSettings", "Session", "main", "pass_session"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    try:
        # Imported here: Ctrl-C while the command starts is an interruption too, not a traceback.
        from dicom_common.cli._main import run  # noqa: PLC0415
    except KeyboardInterrupt:
        return 130
    return run(arguments)


def __getattr__(name: str) -> Any:
    if name in ("Session", "pass_session"):
        from dicom_common.cli import _session  # noqa: PLC0415 - see above

        return getattr(_session, name)
    if name == "LogSettings":
        from dicom_common.cli._logging import LogSettings  # noqa: PLC0415 - see above

        return LogSettings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
