"""`check` and `plugins`: is everything there, and is it well?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json
from dicom_common.cli._output import note, print_json, print_line, print_table
from dicom_common.cli._own_commands import HOMES, as_command, shadowed
from dicom_common.cli._prometheus import exposition
from dicom_common.cli._session import Session, pass_session
from dicom_common.cli._streams import only_results
from dicom_common.core import DicomCommonError, Health, HealthStatus
from dicom_common.host import (
    CHECKS,
    COMMANDS,
    KINDS,
    READER,
    TRACEBACKS,
    Config,
    Services,
    explain,
    health_within,
    installed_plugins,
)

__all__ = ["check", "plugins"]

_WAITING = {"outbox": "db", "worker": "broker", "dead-letters": "broker", "topics": "broker"}
"""What waits, and the kind of backend that has it."""


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common check",
                "dicom-common check --json --time-limit 2",
                "dicom-common check --prometheus > /var/lib/node_exporter/dicom_common.prom",
            ],
        }
    )
)
@click.option("--time-limit", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds for each.")
@click.option("--prometheus", is_flag=True, help="Print metrics in the text format of Prometheus.")
@as_json
@pass_session
def check(session: Session, time_limit: float, *, prometheus: bool, as_json: bool) -> int:
    """Ask every configured backend for its health.

    The further storages of [storages.NAME] are asked too. It also tells what waits: events in the outbox, messages for
    the workers, dead letters; whether an audit trail refuses work; a setting that is wrong in any other table; a
    command of a package that cannot be called; and what packages say of themselves, such as decoders that are missing.
    Exits 1 if anything of it does not work. What is degraded works.
    """
    if prometheus and as_json:
        raise click.UsageError("--prometheus and --json are two forms of the same: choose one.")
    from dicom_common.pipeline import check_lag  # noqa: PLC0415 - imports pydicom

    services = session.services
    with only_results():
        health = services.check(time_limit=time_limit, storages=True)
        health |= check_lag(services, time_limit=time_limit)
        health |= _extensions(services, time_limit)
        health |= _settings(services, time_limit, told={answer.detail for answer in health.values()})
        health |= _commands(services, time_limit)
        health |= _checks_of_packages(time_limit)
    rows = [(kind, _backend(services.config, kind), answer) for kind, answer in health.items()]
    if prometheus:
        for line in exposition(rows):
            print_line(line)
    elif as_json:
        for kind, backend, answer in rows:
            facts = dict(answer.facts)
            print_json(
                {"kind": kind, "backend": backend, "status": answer.status, "detail": answer.detail, "facts": facts}
            )
    else:
        cells = [(kind, backend, answer.status, answer.detail) for kind, backend, answer in rows]
        print_table(["kind", "backend", "status", "detail"], cells, whole=["detail"])
    return ExitCode.DIFFERENT if any(answer.status == "failed" for answer in health.values()) else ExitCode.OK


def _extensions(services: Services, time_limit: float) -> dict[str, Health]:
    """Ask whether the extensions are there, and whether an audit trail refuses work."""
    opened = health_within(time_limit, "extensions", partial(_opened, services))
    if opened.status is HealthStatus.FAILED:
        return {"extensions": opened}
    audit = health_within(time_limit, "the audit trail", partial(_audit, services))
    return {"audit": audit} if services.extensions.audits or audit.status is HealthStatus.FAILED else {}


def _opened(services: Services) -> Health:
    _ = services.extensions
    return Health(status=HealthStatus.OK, detail="The extensions are there.")


def _audit(services: Services) -> Health:
    refusal = services.extensions.audit_refusal()
    if refusal is not None:
        return Health(status=HealthStatus.FAILED, detail=f"Work is refused: {refusal}")
    return Health(status=HealthStatus.OK, detail="The audit trail refuses no work.")


def _settings(services: Services, time_limit: float, *, told: Collection[str]) -> dict[str, Health]:
    """Read the tables that no backend reads, such as [policy]: an error in them would wait for its first use."""
    try:
        explain(services.config, services.plugins, time_limit=time_limit)
    except DicomCommonError as error:
        if str(error) not in told:
            TRACEBACKS.debug("the settings cannot be read", exc_info=error)
            return {"settings": Health(status=HealthStatus.FAILED, detail=str(error))}
    return {}


def _commands(services: Services, time_limit: float) -> dict[str, Health]:
    """Import the commands that packages register: one that cannot be called fails, under its name."""
    answers = {}
    for plugin in installed_plugins(COMMANDS):
        try:
            if plugin.name in HOMES:
                raise CommandError(shadowed(plugin.name))
            as_command(plugin.name, services.plugins.command(plugin.name, time_limit=time_limit))
        except DicomCommonError as error:
            TRACEBACKS.debug("the command %s cannot be used", plugin.name, exc_info=error)
            answers[f"commands.{plugin.name}"] = Health(status=HealthStatus.FAILED, detail=str(error))
    return answers


def _checks_of_packages(time_limit: float) -> dict[str, Health]:
    """Ask the packages that have something to say of themselves; what is well is left out.

    None of them has to work for the backends to work, so one that fails is degraded here.
    """
    answers = {}
    for entry in entry_points(group=f"dicom_common.{CHECKS}"):
        answer = health_within(time_limit, entry.name, partial(_check_of, entry))
        if answer.status is not HealthStatus.OK:
            answers[entry.name] = replace(answer, status=HealthStatus.DEGRADED)
    return answers


def _check_of(entry: EntryPoint) -> Health:
    answer: Health = entry.load()()
    return answer


def _backend(config: Config, kind: str) -> str | None:
    kind, _, storage = _WAITING.get(kind, kind).partition(".")
    if kind == "storages":
        return config.backend_of_storage(storage)
    return config.backend(kind) if kind in KINDS else None


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common plugins",
                "dicom-common plugins --json",
            ],
        }
    )
)
@as_json
def plugins(*, as_json: bool) -> None:
    """List the installed plugins. Imports none of them."""
    found = [
        replace(plugin, state="conflict", reason=shadowed(plugin.name))
        if plugin.kind == COMMANDS and plugin.name in HOMES
        else plugin
        for plugin in installed_plugins()
    ]
    columns = ["kind", "name", "distribution", "version", "state", "reason"]
    rows = [[getattr(plugin, column) for column in columns] for plugin in found]
    if as_json:
        for row in rows:
            print_json(dict(zip(columns, row, strict=True)))
    else:
        print_table(columns, rows, whole=["distribution", "reason"])
        if sum(plugin.kind == READER for plugin in found) > 1:  # which one runs cannot be told without importing them
            note("`dicom-common config explain` shows, at reader.engine, which reader runs.")
