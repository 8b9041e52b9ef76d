"""`dicom-common verify`: runs a contract against a live backend, and writes its conformance statement."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path

import click

from dicom_common.cli import (
    CommandError,
    ExitCode,
    Session,
    as_json,
    below,
    note,
    pass_session,
    print_json,
    print_line,
    progress,
    stopping_on_signals,
)
from dicom_common.core import BackendError, DicomCommonError, hookimpl
from dicom_common.testing._outcomes import NOT_RUN, first_error
from dicom_common.testing._statement import Outcome, Statement, badge_of, lines_of, statement_of
from dicom_common.testing._tampering import no_end_of_the_process
from dicom_common.testing._verify._apart import command, has_ended, without_pytest
from dicom_common.testing._verify._names import clear, names_left, scratch_name
from dicom_common.testing._verify._target import KINDS, Target, is_empty, live

__all__ = ["dicom_common_commands", "verify"]

_KIT = "dicom-common-testing"
_EVERY_SECONDS = 0.3


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common verify storage",
                "dicom-common --config site.toml verify broker --badge broker.svg",
                "dicom-common verify db --json > statement.json",
                "dicom-common verify db --scratch db.database=verify_{} \\",
                "    --create 'createdb verify_{}' --drop 'dropdb --force verify_{}'",
            ],
            "With --json": [
                '{"backend", "kit", "contracts", "proven", "not_kept", "not_promised", "skipped", "refused_keys"}',
            ],
            "Exit codes": [
                "0  every tested promise is kept, or declared as not promised",
                "1  at least one promise is not kept, or no promise is proven",
                "2  the command failed",
            ],
        }
    )
)
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.option("--storage", "table", default="storage", metavar="NAME", help="`storage`, or NAME of [storages.NAME].")
@click.option(
    "--scratch",
    multiple=True,
    metavar="KEY=VALUE",
    help="For `db`: a setting that selects an empty index; {} in VALUE becomes a different text for each test.",
)
@click.option("--create", default="", metavar="COMMAND", help="For `db`: makes an empty index, with {} in it likewise.")
@click.option("--drop", default="", metavar="COMMAND", help="For `db`: removes that index.")
@click.option(
    "--refused-key",
    "refused_keys",
    multiple=True,
    metavar="KEY",
    help="For `storage`: a key that it refuses, by design.",
)
@click.option(
    "--not-promised", multiple=True, metavar="TEST=WHY", help="A test that the backend does not promise to pass."
)
@click.option("--only", default="", metavar="WORDS", help="Run only tests with these words in their names.")
@click.option(
    "--server", metavar="TEXT", help="The server in the statement, such as 'PostgreSQL 16.4'; its health by default."
)
@click.option("--statement", is_flag=True, help="Print the conformance statement, not only the failures.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a badge (SVG).")
@as_json
@pass_session
def verify(  # noqa: PLR0913  # its options
    session: Session,
    kind: str,
    *,
    table: str,
    scratch: Sequence[str],
    create: str,
    drop: str,
    refused_keys: Sequence[str],
    not_promised: Sequence[str],
    only: str,
    server: str | None,
    statement: bool,
    badge: Path | None,
    as_json: bool,
) -> int:
    """Verify that the configured backend of KIND (broker, cache, db or storage) keeps its promises.

    Runs the contract of the kind, which starts and kills its own processes. In a storage the tests use prefixes that
    they remove; in a broker, topics named test-..., which remain. Each test of an index needs an empty one: SQLite
    gets it in a temporary folder; for a server, --scratch selects it, and --create and --drop make and remove it. A run
    takes minutes; Ctrl-C ends it, and removes what the tests have left.
    """
    if badge is not None and not badge.parent.is_dir():
        raise CommandError(f"{badge} cannot be written, because there is no folder {badge.parent}: make it first.")
    if badge is not None and only:
        raise CommandError("A badge is of a whole contract: omit --only, or --badge.")
    target = Target(
        kind=kind,
        table=table,
        file=None if session.file is None else str(session.file.absolute()),
        data=None if session.data is None else str(session.data.absolute()),
        scratch=_pairs(scratch, "--scratch"),
        not_promised=_pairs(not_promised, "--not-promised"),
        refused_keys=refused_keys,
        create=create,
        drop=drop,
    )
    with no_end_of_the_process(), _checked(session, target) as target:
        with _only_what_backends_raise(kind):
            backend = _backend(session, target)
        backend["server"] = server or backend["server"]
        outcomes = list(_outcomes(target, only))
    if not outcomes:
        raise CommandError(f"No test of the contract has the words {only!r} in its name: change or omit --only.")
    kit = {
        "distribution": _KIT,
        "version": version(_KIT),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    made = statement_of(outcomes, backend=backend, kit=kit, refused_keys=refused_keys)
    if badge is not None:
        badge.write_text(badge_of(made), encoding="utf-8")
    if as_json:
        print_json(made.as_dict())
    else:
        for line in lines_of(made) if statement else _short(made):
            print_line(line)
    return ExitCode.DIFFERENT if made.not_kept or not made.proven else ExitCode.OK


def _short(made: Statement) -> Iterator[str]:
    for one in made.not_kept:
        yield f"NOT KEPT  {one['test'].removeprefix('test_').replace('_', ' ')}: {one['reason']}"
    yield (
        f"Promises: {len(made.proven)} proven, {len(made.not_kept)} not kept, {len(made.not_promised)} not promised,"
        f" {len(made.skipped)} not tried. --statement lists them."
    )


@contextmanager
def _checked(session: Session, target: Target) -> Iterator[Target]:
    """Refuse options that do not fit, and give SQLite a folder for its indexes."""
    if target.kind != "storage" and target.table != "storage":
        raise CommandError("--storage names a further storage: use it only with `verify storage`.")
    if target.kind != "storage" and target.refused_keys:
        raise CommandError("--refused-key applies only to `verify storage`: omit it.")
    for option, given in (("--scratch", target.scratch), ("--create", target.create), ("--drop", target.drop)):
        if given and target.kind != "db":
            raise CommandError(f"{option} applies only to `verify db`: omit it.")
    for option, template in (("--create", target.create), ("--drop", target.drop)):
        if template and "{}" not in template:
            raise CommandError(f"{option} needs {{}} in the name of the index: each test has one of its own.")
    if target.scratch and not any("{}" in value for value in target.scratch.values()):
        raise CommandError("--scratch needs {} in the value that selects the index: each test has one of its own.")
    if target.kind != "db" or target.scratch:
        yield target
        return
    if session.config.backend("db") != "sqlite":
        raise CommandError(
            "Each test needs an empty index: select it with --scratch db.database=verify_{}, and name the commands that"
            " make and remove it, such as --create 'createdb verify_{}' --drop 'dropdb --force verify_{}'."
        )
    with tempfile.TemporaryDirectory(prefix="dicom-common-verify-") as folder:
        yield replace(target, scratch={"db.path": f"{folder}/{{}}.sqlite"})


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    pairs = dict(one.partition("=")[::2] for one in given)
    if not all(key and value for key, value in pairs.items()):
        raise CommandError(f"{option} needs a name and a value, joined by =.")
    return pairs


@contextmanager
def _only_what_backends_raise(kind: str) -> Iterator[None]:
    """Say of any other error that it is the backend's: even one that would end this process."""
    try:
        yield
    except (DicomCommonError, CommandError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise BackendError(
            f"The {kind} backend cannot be verified, because it raises what no backend may ({type(error).__name__}):"
            " run the contract in its own tests."
        ) from error


def _backend(session: Session, target: Target) -> dict[str, str]:
    """Tell which backend it is; it must be well."""
    config = session.config
    further = target.table != "storage"
    name = (config.backend_of_storage(target.table) if further else config.backend(target.kind)) or ""
    chosen, _, plugin = name.rpartition(":")  # a configuration may say `distribution:name`
    offering = (entry.dist for entry in entry_points(group=f"dicom_common.{target.kind}", name=plugin) if entry.dist)
    distribution = next((one for one in offering if chosen in ("", one.name)), None)
    with scratch_name(target) as scratch, closing(live(target, scratch)) as backend:
        health = backend.check()
        if target.kind == "db" and not is_empty(backend):
            raise CommandError(
                "The index that --scratch selects is not empty, and the tests would write to it: put {} where the"
                " setting names the index."
            )
    if health.status == "failed":
        raise BackendError(
            f"The {target.kind} backend fails its health check, so it cannot be verified: {health.detail}"
        )
    return {
        "kind": target.kind,
        "name": name,
        "distribution": distribution.name if distribution is not None else "unknown",
        "version": distribution.version if distribution is not None else "unknown",
        "server": health.detail,
    }


def _outcomes(target: Target, only: str) -> Iterator[Outcome]:
    """Run the contract in a process of its own, and give what becomes of each test."""
    with tempfile.TemporaryDirectory(prefix="dicom-common-verify-") as folder:
        file, log, names = (Path(folder) / name for name in ("outcomes.jsonl", "log.txt", "names.txt"))
        file.touch()
        names.touch()
        target = replace(target, names=str(names))
        environment = without_pytest(target.environment())
        with (
            stopping_on_signals("Stopping, and removing what the tests keep in the backend.") as stop,
            log.open("w", encoding="utf-8") as output,
            # Of a session of its own, so that Ctrl-C does not reach it: what it leaves is removed here.
            subprocess.Popen(  # noqa: S603  # pytest, with our own file
                command(Path(folder), file, only),
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as running,
            file.open(encoding="utf-8") as lines,
            progress(f"verifying {target.kind}") as bar,
        ):
            try:
                while True:
                    ended = running.poll() is not None
                    for outcome in (Outcome(**json.loads(line)) for line in lines):
                        if not (only and outcome.reason == NOT_RUN):
                            bar.advance()
                            yield outcome
                    if ended:
                        break
                    if stop.is_set():
                        raise KeyboardInterrupt
                    _wait(running)
            finally:
                with suppress(ProcessLookupError):  # none of them runs any more
                    os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                _clear_what_is_left(target)
        if running.returncode in (2, 3, 4):  # interrupted, failed or called in a wrong way
            raise CommandError(f"The contract did not run: {first_error(log.read_text(encoding='utf-8'))}")
        if not has_ended(Path(folder)):
            raise CommandError(
                f"The contract did not run to its end: a call of the {target.kind} backend ended the process"
                f" (exit code {running.returncode}), or something killed it."
            )


def _clear_what_is_left(target: Target) -> None:
    for name in names_left(target):
        try:
            clear(target, name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever the backend raises, the results are told
            note(f"What a test keeps under the name {name} remains in the backend: remove it. ({error})")


def _wait(running: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        running.wait(_EVERY_SECONDS)


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer `dicom-common verify`."""
    return [verify]
