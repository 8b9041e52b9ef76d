"""`init`: a configuration, a data folder, and backends that are ready."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._output import complain, print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.cli._streams import only_results
from dicom_common.cli._toml import toml_value
from dicom_common.core import HealthStatus, Migrations, TopicChecks, validate_tenant
from dicom_common.host import Config, Explained, Plugins, Services, explain
from dicom_common.toolkit import make_private_folder

__all__ = ["init"]

_DEFAULT_FILE = Path("dicom-common.toml")
_DEFAULT_DATA = Path("dicom-common-data")

_TOP = """\
# The configuration of dicom-common.
#
# Each line that is commented out shows a default. Above this file stand, in rising order: an overlay
# dicom-common.<env>.toml where DICOM_COMMON_ENV names one, a file .env beside it, variables such as
# DICOM_COMMON_STORAGE__BACKEND, and the command line. A value may be
# {{ env = "NAME" }} or {{ file = "/run/secrets/x" }}.
# `dicom-common config explain` shows every setting in effect, and where it was written.

# Where the embedded backends keep everything; relative paths in the tables below are relative to it.
data = {data}
"""

_TABLES = {
    "storage": "Where the bytes of the instances are.",
    "db": "The index: what is searched.",
    "cache": "What may be lost at any time.",
    "broker": "Where the events of stored instances go.",
    "ingest": "How instances are taken in.",
    "reader": "How the header of an instance is read.",
    "documents": "How the metadata documents of studies and series are made and kept.",
    "worker": "How a worker indexes what was queued.",
    "topics": "The names of the topics.",
    "log": "What the command logs, beside what it prints.",
    "retention": "For how long the logs are kept.",
}


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common init",
                "dicom-common --config /etc/dicom-common.toml --data /srv/dicom init",
            ],
        }
    )
)
@pass_session
def init(session: Session) -> int:
    """Write a configuration and get ready.

    Writes a commented configuration, makes the data folder, opens every backend, makes or updates the schema of the
    index, and creates the topics, and those of their dead letters.

    The configuration is ./dicom-common.toml, or the file that --config names. One that is there is not touched: what
    it configures is made ready.
    """
    named = session.file or os.environ.get("DICOM_COMMON_CONFIG")
    file = Path(named or _DEFAULT_FILE)
    if file.exists():
        if session.data is not None or session.tenant_name is not None:
            raise CommandError(f"{file} is there already and is not overwritten: leave --data and --tenant out.")
        ill = _get_ready(Config.load(named or None))
        print_line(f"kept {file}, which already exists{'' if ill else ': what it configures is ready'}")
    else:
        ill = _begin(session, file)
        print_line(f"wrote {file}{'' if ill else ': dicom-common ingest DIR is next'}")
    if ill:
        complain(f"not ready: {', '.join(ill)}. `dicom-common check` says why; then run the same command again.")
        return ExitCode.DIFFERENT
    return ExitCode.OK


def _begin(session: Session, file: Path) -> list[str]:
    # Made absolute: the setting in the file is relative to the file, the option to the current folder.
    data = session.data.absolute() if session.data else _DEFAULT_DATA
    top = _TOP.format(data=toml_value(data))
    if session.tenant_name is not None:
        top += f"tenant = {toml_value(validate_tenant(session.tenant_name))}\n"
    _create(file, top)
    try:
        config = Config.load(file)
        with only_results():
            rows = explain(config, Plugins())
        file.write_text(top + "".join(_lines(rows, config.general.data)), encoding="utf-8")
        return _get_ready(config)
    except BaseException:
        file.unlink(missing_ok=True)  # it is ours: another try must find the place free
        raise


def _create(file: Path, text: str) -> None:
    try:
        make_private_folder(file.parent)
        with open(file, "x", encoding="utf-8", opener=_private) as stream:
            stream.write(text)
    except FileExistsError:
        raise CommandError(
            f"{file} is there already and is not overwritten: edit it, or name another with --config."
        ) from None
    except (OSError, UnicodeEncodeError) as error:
        why = getattr(error, "strerror", "a path is not UTF-8")
        raise CommandError(f"{file} cannot be written ({why}): name another with --config.") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _get_ready(config: Config) -> list[str]:
    """Open every backend, make what they need, and return the kinds of those that are ill."""
    from dicom_common.pipeline import TopicSettings, dead_topic  # noqa: PLC0415 - imports pydicom

    with Services(config) as services:
        _make(config.general.data)
        health = services.check()
        if isinstance(services.db, Migrations):
            services.db.migrate()
        topics = services.settings("topics", TopicSettings).all
        wanted = [*topics, *map(dead_topic, topics)]
        services.broker.create_topics(wanted)
        if isinstance(services.broker, TopicChecks):
            found = services.broker.check_topics(wanted)
            if found.status is not HealthStatus.OK:
                complain(found.detail)
    return [kind for kind, answer in health.items() if answer.status is HealthStatus.FAILED]


def _make(folder: Path) -> None:
    try:
        make_private_folder(folder)
    except OSError as error:
        raise CommandError(f"The data folder {folder} cannot be made: {error.strerror}.") from error


def _lines(rows: Sequence[Explained], data: Path) -> Iterator[str]:
    """Write every setting that the file does not set as a comment, table by table."""
    at = ""
    for row in rows:
        table, _, key = row.key.rpartition(".")
        if table != at:
            at = table
            yield f"\n# {_TABLES[table]}\n" if table in _TABLES else "\n"
            yield f"[{table}]\n"
        if table or row.origin == "default":
            value = row.value
            if isinstance(value, Path) and value.is_relative_to(data):
                value = value.relative_to(data)
            yield f"# {key} is not set\n" if value is None else f"# {key} = {toml_value(value)}\n"
