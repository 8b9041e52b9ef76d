"""`dicom-common verify`: runs a contract against a live backend, and writes its conformance statement."""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
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
    pass_session,
    print_json,
    print_line,
    progress,
)
from dicom_common.core import BackendError, hookimpl
from dicom_common.testing._outcomes import NOT_RUN, first_error
from dicom_common.testing._statement import Outcome, Statement, badge_of, lines_of, statement_of
from dicom_common.testing._verify._apart import command, has_ended, without_pytest
from dicom_common.testing._verify._target import KINDS, Target, live

__all__ = ["dicom_common_commands", "verify"]

_KIT = "dicom-common-testing"
_EVERY_SECONDS = 0.3


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common verify storage",
                "dicom-common --config site.toml verify broker --badge broker.svg",
                "dicom-common verify db --scratch db.path=/tmp/verify-{}.sqlite --json > statement.json",
            ],
            "With --json": [
                '{"backend", "kit", "contracts", "proven", "not_kept", "not_promised", "skipped"}',
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
@click.option(
    "--not-promised", multiple=True, metavar="TEST=WHY", help="A test that the backend does not promise to pass."
)
@click.option("--only", default="", metavar="WORDS", help="Run only tests with these words in their names.")
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
    not_promised: Sequence[str],
    only: str,
    statement: bool,
    badge: Path | None,
    as_json: bool,
) -> int:
    """Verify that the configured backend of KIND (broker, cache, db or storage) keeps its promises.

    Runs the contract of the kind, which starts and kills its own processes. In a storage the tests use prefixes that
    they remove; in a broker, topics named test-..., which remain. An index must be empty: --scratch names it; SQLite
    gets one in a temporary folder. A run takes minutes.
    """
    if badge is not None and not badge.parent.is_dir():
        raise CommandError(f"{badge} cannot be written, because there is no folder {badge.parent}: make it first.")
    if badge is not None and only:
        raise CommandError("A badge is of a whole contract: omit --only, or --badge.")
    with _target(session, kind, table, scratch, not_promised) as target:
        backend = _backend(session, target)
        outcomes = list(_outcomes(target, only))
    if not outcomes:
        raise CommandError(f"No test of the contract has the words {only!r} in its name: change or omit --only.")
    kit = {
        "distribution": _KIT,
        "version": version(_KIT),
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    made = statement_of(outcomes, backend=backend, kit=kit)
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
        f"{len(made.proven)} promises are proven, {len(made.not_kept)} not kept, {len(made.not_promised)} not promised,"
        f" {len(made.skipped)} not tried. --statement lists them."
    )


@contextmanager
def _target(
    session: Session, kind: str, table: str, scratch: Sequence[str], not_promised: Sequence[str]
) -> Iterator[Target]:
    if kind != "storage" and table != "storage":
        raise CommandError("--storage names a further storage: use it only with `verify storage`.")
    if scratch and kind != "db":
        raise CommandError("--scratch applies only to `verify db`: omit it.")
    target = Target(
        kind=kind,
        table=table,
        file=None if session.file is None else str(session.file.absolute()),
        data=None if session.data is None else str(session.data.absolute()),
        scratch=_pairs(scratch, "--scratch"),
        not_promised=_pairs(not_promised, "--not-promised"),
    )
    if kind != "db":
        yield target
        return
    if not scratch and session.config.backend("db") != "sqlite":
        raise CommandError(
            "Each test needs an empty index: name a setting that selects one, such as"
            " --scratch db.database=verify_{}, or run the contract in the backend's own tests."
        )
    with tempfile.TemporaryDirectory(prefix="dicom-common-verify-") as folder:
        yield target if scratch else replace(target, scratch={"db.path": f"{folder}/{{}}.sqlite"})


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    pairs = dict(one.partition("=")[::2] for one in given)
    if not all(key and value for key, value in pairs.items()):
        raise CommandError(f"{option} needs a name and a value, joined by =.")
    return pairs


def _backend(session: Session, target: Target) -> dict[str, str]:
    """Tell which backend it is; it must be well."""
    config = session.config
    further = target.table != "storage"
    name = (config.backend_of_storage(target.table) if further else config.backend(target.kind)) or ""
    found = next(iter(entry_points(group=f"dicom_common.{target.kind}", name=name)), None)
    distribution = found.dist if found is not None else None
    with closing(live(target, "check")) as backend:
        health = backend.check()
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
        file, log = Path(folder) / "outcomes.jsonl", Path(folder) / "log.txt"
        file.touch()
        environment = without_pytest(target.environment())
        with (
            log.open("w", encoding="utf-8") as output,
            subprocess.Popen(  # noqa: S603  # pytest, with our own file
                command(Path(folder), file, only), env=environment, stdout=output, stderr=subprocess.STDOUT
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
                    _wait(running)
            finally:
                running.kill()
        if running.returncode not in (0, 1, 5):
            raise CommandError(f"The contract did not run: {first_error(log.read_text(encoding='utf-8'))}")
        if not has_ended(Path(folder)):
            raise CommandError(
                f"The contract did not run to its end: a call of the {target.kind} backend ended the process"
                f" (exit code {running.returncode}), or something killed it."
            )


def _wait(running: subprocess.Popen[bytes]) -> None:
    try:
        running.wait(_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer `dicom-common verify`."""
    return [verify]
