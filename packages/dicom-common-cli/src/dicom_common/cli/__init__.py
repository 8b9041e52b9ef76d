"""The `dicom-common` command, and what an extension's subcommand needs of it.

`pass_session` gives it the configuration and the open backends. Results are printed by `print_line`, `print_json` and
`print_table`, which let no control character through to a terminal; `note` and `progress` write to stderr. `age` and
`moment` read what people type, `as_json` is the option `--json`, `below` makes the examples of a `--help`. A
`CommandError` ends the command with one sentence; what the command returns is its `ExitCode`. `RelayThread` publishes
events beside a command, `log_as_configured` sets up the log of a further process, and `run_processes` runs several that
share a port. A command that goes on until it is stopped calls `settle_down` when it has started.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dicom_common.cli._garbage import settle_down, start_quickly

if TYPE_CHECKING:
    from dicom_common.cli._beside import servers_beside as servers_beside
    from dicom_common.cli._errors import CommandError as CommandError, ExitCode as ExitCode
    from dicom_common.cli._help import below as below
    from dicom_common.cli._instances import as_json as as_json
    from dicom_common.cli._interrupt import stopping_on_signals as stopping_on_signals
    from dicom_common.cli._logging import LogSettings as LogSettings, log_as_configured as log_as_configured
    from dicom_common.cli._moments import age as age, moment as moment
    from dicom_common.cli._output import (
        note as note,
        print_json as print_json,
        print_line as print_line,
        print_table as print_table,
    )
    from dicom_common.cli._processes import (
        end_with_parent as end_with_parent,
        run_processes as run_processes,
        services_of_process as services_of_process,
    )
    from dicom_common.cli._progress import progress as progress
    from dicom_common.cli._relay_thread import RelayThread as RelayThread
    from dicom_common.cli._session import Session as Session, pass_session as pass_session

__all__ = [
    "CommandError",
    "ExitCode",
    "LogSettings",
    "RelayThread",
    "Session",
    "age",
    "as_json",
    "below",
    "end_with_parent",
    "log_as_configured",
    "main",
    "moment",
    "note",
    "pass_session",
    "print_json",
    "print_line",
    "print_table",
    "progress",
    "run_processes",
    "servers_beside",
    "services_of_process",
    "settle_down",
    "stopping_on_signals",
]

_HOMES = {
    "CommandError": "_errors",
    "ExitCode": "_errors",
    "LogSettings": "_logging",
    "RelayThread": "_relay_thread",
    "Session": "_session",
    "age": "_moments",
    "as_json": "_instances",
    "below": "_help",
    "end_with_parent": "_processes",
    "log_as_configured": "_logging",
    "moment": "_moments",
    "note": "_output",
    "pass_session": "_session",
    "print_json": "_output",
    "print_line": "_output",
    "print_table": "_output",
    "progress": "_progress",
    "run_processes": "_processes",
    "servers_beside": "_beside",
    "services_of_process": "_processes",
    "stopping_on_signals": "_interrupt",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    start_quickly()
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
