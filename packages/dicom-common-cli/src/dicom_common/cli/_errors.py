"""How the command ends: its exit codes, and one line for every error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum

import click

from dicom_common.cli._output import complain
from dicom_common.cli._streams import abandon_what_cannot_be_written
from dicom_common.core import DicomCommonError

__all__ = ["CommandError", "ExitCode", "ending", "kind_and_place"]


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    DIFFERENT = 1
    """The command did its work, and something was rejected, ill, damaged or different."""
    FAILED = 2
    """The command itself failed: wrong usage or configuration, a backend that is down, nothing found."""
    INTERRUPTED = 130


class CommandError(DicomCommonError):
    """A command cannot do what was asked; the message is one sentence for the person who asked."""


def ending(work: Callable[[], object], *, verbose: Callable[[], bool]) -> int:
    """Do the work of a command and return the exit code; whatever goes wrong is one line on stderr.

    Args:
        work: returns the exit code; anything that is no number means success.
        verbose: whether a traceback is wanted. Asked afterwards: the command line has been read by then.
    """
    code = _ending(work, verbose)
    return code if abandon_what_cannot_be_written() or code else ExitCode.FAILED


def _ending(work: Callable[[], object], verbose: Callable[[], bool]) -> int:
    try:
        code = work()
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        return ExitCode.FAILED  # who read the output has gone, and knows it
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted.")
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        complain(_usage(error))
    except DicomCommonError as error:
        complain(str(error))
        _show_trace(verbose)
    except OSError as error:
        subject = f"{error.filename}: " if error.filename else ""
        complain(f"{subject}{error.strerror or type(error).__name__}.")
        _show_trace(verbose)
    except BaseException as error:  # noqa: BLE001 - the last place to catch it; its text may hold anything, so it is not told
        # A SystemExit is one, too: no command of ours raises it, and a plugin's must not pass for success.
        complain(
            f"this is a bug: {kind_and_place(error)}. "
            "Please report it, with the traceback that `dicom-common --verbose ...` prints."
        )
        _show_trace(verbose)
    else:
        return code if isinstance(code, int) else ExitCode.OK
    return ExitCode.FAILED


def _usage(error: click.ClickException) -> str:
    if type(error).__name__ == "NoArgsIsHelpError" and isinstance(error, click.UsageError) and error.ctx is not None:
        # Its message is the whole help. The class is there from click 8.2 on only.
        return f"A command is missing behind `{error.ctx.command_path}`. See `{error.ctx.command_path} --help`."
    message = " ".join(error.format_message().split())  # click puts choices on lines of their own
    message += "" if message.endswith((".", "?", "!")) else "."
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and context is not None:
        message += _place_of(error.option_name, context)
    return f"{message} See `{context.command_path} --help`." if context else message


def _place_of(option: str, context: click.Context) -> str:
    top = context.find_root()
    if top is context or not any(option in parameter.opts for parameter in top.command.params):
        return ""
    return f" It goes before the command: `{top.info_name} {option} ... {context.command_path.partition(' ')[2]}`."


def _show_trace(verbose: Callable[[], bool]) -> None:
    if verbose():
        with suppress(OSError, ValueError):  # stderr cannot be written
            traceback.print_exc()


def kind_and_place(error: BaseException) -> str:
    """Say what was raised and where. The text of an exception that is not ours may hold anything, so it is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)} line {frames[-1].lineno}" if frames else "an unknown place"  # noqa: PTH119 - a name in a message
    return f"{type(error).__name__} in {place}"
