"""The group of all subcommands: global options, and commands that are imported when they are asked for."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from dicom_common.cli._errors import CommandError, ending
from dicom_common.cli._logging import LogSettings, log_as_configured, log_to_stderr
from dicom_common.cli._output import note
from dicom_common.cli._own_commands import HOMES, as_command, failure_of, shadowed
from dicom_common.cli._session import Session
from dicom_common.cli._streams import only_results, prepare_streams
from dicom_common.core import DicomCommonError, PluginNotFoundError
from dicom_common.host import COMMANDS, Plugins, installed_plugins
from dicom_common.toolkit import did_you_mean

__all__ = ["run"]

_OF_ALL_TENANTS = frozenset({"reconcile", "migrate", "prune", "worker", "relay", "events"})
"""Commands that work for the installation as a whole: who names a tenant means something that they cannot do."""

_EXPECTED = (
    *(click.ClickException, click.Abort, click.exceptions.Exit),
    *(DicomCommonError, OSError, KeyboardInterrupt),
)
"""What a command may raise; `ending` makes one line of each."""


class _Commands(click.Group):
    """Our own commands, then those that installed packages register under `dicom_common.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own
        """Return the names of all commands, in the order of the help."""
        return [*HOMES, *sorted({plugin.name for plugin in installed_plugins(COMMANDS)} - HOMES.keys())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own
        """Return a command; packages are imported only for a name that is not ours."""
        if home := HOMES.get(cmd_name):
            command: click.Command = getattr(import_module(f"dicom_common.cli.{home}"), cmd_name.replace("-", "_"))
            return command
        try:
            return self._offered(cmd_name)
        except PluginNotFoundError:
            return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what that of a package raises and no command may raise is the package's bug, not ours."""
        try:
            return super().invoke(ctx)
        except _EXPECTED:
            raise
        except BaseException as error:
            name = ctx.invoked_subcommand
            if name is None or name in HOMES:
                raise
            raise failure_of(name, error) from error

    @staticmethod
    def _offered(cmd_name: str) -> click.Command:
        with only_results():
            return as_command(cmd_name, Plugins().command(cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the list of the help. A package's command stands there as its metadata tell: it is not imported."""
        ours = {
            name: getattr(import_module(f"dicom_common.cli.{home}"), name.replace("-", "_"))
            for name, home in HOMES.items()
        }
        rows = [(name, command) for name, command in ours.items() if not command.hidden]
        limit = formatter.width - 6 - max(len(name) for name, _ in rows)
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(limit=limit)) for name, command in rows])
        of_packages: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for plugin in installed_plugins(COMMANDS):
            if plugin.name in HOMES:
                note(shadowed(plugin.name))
            elif plugin.state != "ready":
                note(plugin.reason)
            else:
                of_packages[plugin.distribution, plugin.summary].append(plugin.name)
        if of_packages:
            with formatter.section("Commands of packages; --help of each says more"):
                formatter.write_dl(
                    [
                        (", ".join(sorted(names)), summary or f"Of {distribution}.")
                        for (distribution, summary), names in sorted(of_packages.items())
                    ],
                    col_max=28,
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and refuse a tenant that it would pass over: `prune` would delete everybody's records."""
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not (hint := did_you_mean(args[0], self.list_commands(ctx))):
                raise
            raise click.UsageError(error.message + hint, error.ctx) from None
        if name in _OF_ALL_TENANTS and ctx.ensure_object(Session).tenant_name is not None:
            raise CommandError(f"`{name}` works for all tenants together: leave --tenant out.")
        return name, command, rest


def _set(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    # These options are read before all others, so that `--config FILE --help` lists the commands of its extensions.
    if parameter.name is not None and value is not None:
        setattr(ctx.ensure_object(Session), parameter.name, value)
    return value


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        versions = {}
        for name in ("dicom-common-cli", "dicom-common-core"):
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = "(not installed)"
        python = sys.version.partition(" ")[0]
        click.echo(
            f"dicom-common {versions['dicom-common-cli']} "
            f"(dicom-common-core {versions['dicom-common-core']}, Python {python})"
        )
        ctx.exit()


_EPILOG = """\b
Examples:
  dicom-common --data /srv/dicom ingest /media/cdrom
  dicom-common find --level study PatientID=4711
  dicom-common get 1.2.826.0.1.3680043 --output /tmp/study

\b
Exit codes:
    0  done
    1  done, and something was rejected, missed, ill, damaged or different
    2  the command failed: usage, configuration, a backend that is down, nothing found
  130  interrupted
"""


@click.command(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_set,
    help="The configuration; else DICOM_COMMON_CONFIG, else ./dicom-common.toml if it is there and yours.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    is_eager=True,
    expose_value=False,
    callback=_set,
    help="The data folder of the embedded backends; else that of the configuration, else ./dicom-common-data.",
)
@click.option(
    "--tenant",
    "tenant_name",
    metavar="T",
    is_eager=True,
    expose_value=False,
    callback=_set,
    help="Whose instances; else the tenant of the configuration.",
)
@click.option(
    "--verbose",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_set,
    help="Log to stderr, and show the traceback of an error, that of a plugin too.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show it.")
@click.pass_context
def _program(ctx: click.Context) -> None:
    """Store, find, check and hand out DICOM instances.

    Without a configuration the embedded backends work in a local folder. Results go to stdout, all else to stderr.
    """
    session = ctx.ensure_object(Session)
    ctx.call_on_close(session.close)
    log_to_stderr(verbose=session.verbose)
    try:
        config = session.config
    except DicomCommonError:
        return  # the command says it, if it needs the configuration at all
    if config.found:
        # Whoever works in a folder of somebody else's has to know it.
        note(f"Configured by {' and '.join(map(str, config.found))}, found in the current folder.")
    log_as_configured(config.section("log", LogSettings), verbose=session.verbose)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    prepare_streams()
    if "_DICOM_COMMON_COMPLETE" in os.environ:
        _program.main(prog_name="dicom-common")  # the shell asks for completions; ends the process
    words = list(sys.argv[1:] if arguments is None else arguments)
    session = Session()

    def work() -> object:
        with _program.make_context("dicom-common", words, obj=session) as ctx:
            return _program.invoke(ctx)

    return ending(work, verbose=lambda: session.verbose)
