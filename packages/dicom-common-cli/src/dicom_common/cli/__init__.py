"""The `dicom-common` command, and what an extension's subcommand needs of it.

`pass_session` gives it the configuration and the open backends. Results are printed by `print_line`, `print_json` and
`print_table`, which let no control character through to a terminal; `age` and `moment` read what people type, `below`
makes the examples of a `--help`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.cli._help import below as below
    from dicom_common.cli._logging import LogSettings as LogSettings
    from dicom_common.cli._moments import age as age, moment as moment
    from dicom_common.cli._output import (
        print_json as print_json,
        print_line as print_line,
        print_table as print_table,
    )
    from dicom_common.cli._session import Session as Session, pass_session as pass_session

__all__ = [
    "LogSettings",
    "Session",
    "age",
    "below",
    "main",
    "moment",
    "pass_session",
    "print_json",
    "print_line",
    "print_table",
]

_HOMES = {
    "LogSettings": "_logging",
    "Session": "_session",
    "age": "_moments",
    "below": "_help",
    "moment": "_moments",
    "pass_session": "_session",
    "print_json": "_output",
    "print_line": "_output",
    "print_table": "_output",
}


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
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"dicom_common.cli.{_HOMES[name]}"), name)  # when it is used: see above
