"""`dead-letters`: messages that could not be dealt with."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dicom_common.cli._bodies import readable
from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._letter_choice import LetterChoice, choice_of, choosing
from dicom_common.cli._output import note, print_json, print_line, print_table
from dicom_common.cli._progress import progress
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind

if TYPE_CHECKING:
    from dicom_common.pipeline import DeadLetter, DeadLetters

__all__ = ["dead_letters"]

_FIELDS = [
    "place",
    "topic",
    "reason",
    "attempts",
    "tenant",
    "study_uid",
    "series_uid",
    "event_id",
    "file_path",
    "is_whole",
]
_LINE = "{" + ", ".join(f'"{name}"' for name in _FIELDS) + "}"


_everything = click.option("--all", "everything", is_flag=True, help="All that wait.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only tell which.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(
    "dead-letters",
    epilog=below(
        {
            "Examples": [
                "dicom-common dead-letters list",
                "dicom-common dead-letters show storage_queue/3/17",
                "dicom-common dead-letters replay --reason object-missing --dry-run",
                "dicom-common dead-letters drop --study 1.2.826.0.1.3680043 --yes",
            ],
        }
    ),
)
def dead_letters() -> None:
    """See to messages that could not be dealt with.

    They wait on a topic beside their own, such as storage_queue.dead. PLACE is where a message was: the first column of
    the list.
    """


@dead_letters.command(
    "list",
    epilog=below(
        {
            "Examples": ["dicom-common dead-letters list", "dicom-common dead-letters list --reason object-missing"],
            "With --json, one line a letter": [_LINE],
        }
    ),
)
@choosing
@as_json
@pass_session
def list_letters(session: Session, /, *, as_json: bool, **choice: Any) -> int:
    """List what waits. Shows nothing of a patient, and takes nothing away."""
    with _letters(session) as letters:
        found = choice_of(session, **choice).of(letters.read())
        complete = _is_complete(letters)
    if as_json:
        for letter in found:
            print_json(_document(letter))
    elif found:
        rows = [(letter.place, letter.reason, letter.attempts, letter.tenant, letter.study_uid) for letter in found]
        print_table(["place", "reason", "tries", "tenant", "study"], rows, whole=["place", "reason", "study"])
    if not found:
        note("No dead letter waits" + (" that was asked for." if choice_of(session, **choice).is_made else "."))
    return ExitCode.OK if complete else ExitCode.DIFFERENT


@dead_letters.command(
    epilog=below(
        {
            "Examples": ["dicom-common dead-letters show storage_queue/3/17 --body"],
            "With --json, one line a letter": [f'{_LINE[:-1]}, "headers"}}, and "body" with --body'],
        }
    )
)
@choosing
@_everything
@click.option("--body", is_flag=True, help="Show the message itself, too: it has a patient's attributes.")
@as_json
@pass_session
def show(session: Session, /, *, body: bool, as_json: bool, **choice: Any) -> int:
    """Show letters with their headers."""
    chosen = _made(session, **choice)
    with _letters(session) as letters:
        found = _found(chosen, letters)
        complete = _is_complete(letters)
    details = {"command": "dead-letters show", "letters": len(found), "body": body}
    with session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, chosen.tenant, **details) as deed:
        deed.record()  # before anything is shown
    for letter in found:
        shown = _document(letter) | {"headers": dict(letter.message.headers)}
        if body:
            shown["body"] = readable(letter.message.body)
        if as_json:
            print_json(shown)
        else:
            headers = shown.pop("headers")
            for name, value in (shown | headers).items():
                print_line(f"{name}: {value}")
            print_line("")
    return ExitCode.OK if complete else ExitCode.DIFFERENT


@dead_letters.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common dead-letters replay --all --dry-run",
                "dicom-common dead-letters replay --reason object-missing --yes",
            ],
            "With --json, one line a letter that is done": [_LINE],
            "Exit codes": ["1    some could not be replayed or seen", "130  interrupted; repeat the command to resume"],
        }
    )
)
@choosing
@_everything
@_dry_run
@_yes
@as_json
@pass_session
def replay(session: Session, /, *, dry_run: bool, yes: bool, as_json: bool, **choice: Any) -> int:
    """Publish messages to their topics again, once what was wrong is mended.

    Each is published with its key and its headers, and is tried as often as a new one. Only then it leaves the dead
    letters: one whose replay is killed in between may be published twice. Asks for confirmation; without a
    terminal it needs --yes.
    """
    question = "Publish {} to their topics again?"
    return _settle(session, _made(session, **choice), question, replay=True, dry_run=dry_run, yes=yes, as_json=as_json)


@dead_letters.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common dead-letters drop --reason duplicate-differs --dry-run",
                "dicom-common dead-letters drop storage_queue/3/17 --yes",
            ],
            "With --json, one line a letter that is done": [_LINE],
            "Exit codes": ["1    some could not be seen", "130  interrupted; repeat the command to resume"],
        }
    )
)
@choosing
@_everything
@_dry_run
@_yes
@as_json
@pass_session
def drop(session: Session, /, *, dry_run: bool, yes: bool, as_json: bool, **choice: Any) -> int:
    """Give messages up.

    Their objects stay in the storage: `reconcile --repair` indexes one that can be indexed, and deletes one whose SOP
    Instance UID another object has. Asks for confirmation; without a terminal it needs --yes.
    """
    question = "Drop {} permanently?"
    return _settle(session, _made(session, **choice), question, replay=False, dry_run=dry_run, yes=yes, as_json=as_json)


def _settle(  # noqa: PLR0913 - each is an option
    session: Session, choice: LetterChoice, question: str, *, replay: bool, dry_run: bool, yes: bool, as_json: bool
) -> int:
    if not (dry_run or yes):
        if not sys.stdin.isatty():
            raise CommandError("Not a terminal: pass --yes, or --dry-run to see which letters are affected.")
        with _letters(session) as letters:  # not held while somebody thinks: others may want them
            number = len(_found(choice, letters))
        if not click.confirm(question.format(_counted(number)), err=True):
            note("Nothing was done.")
            return ExitCode.DIFFERENT
    name = "replay" if replay else "drop"
    told = {"command": f"dead-letters {name}", "dry_run": dry_run}
    with (
        session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, choice.tenant, **told) as deed,
        _letters(session) as letters,
        stopping_on_signals("Stopping after this batch; repeat the command to resume.") as stop,
    ):
        found = _found(choice, letters)
        complete = _is_complete(letters)
        whole = [letter for letter in found if letter.is_whole or not replay]
        if not dry_run:
            deed.begin()
        work = iter([whole]) if dry_run else (letters.replay if replay else letters.drop)(whole)
        done = _print(work, stop, total=len(whole), as_json=as_json)
        deed.details["letters"] = str(done)
        if stop.is_set() and done < len(whole):
            deed.fail("interrupted")
    if not as_json:
        what = "replayed" if replay else "dropped"
        print_line(f"{_counted(done)} {'would be ' if dry_run else ''}{what}")
    if missing := len(found) - len(whole):
        note(f"{_counted(missing)} cannot be replayed: too large to be kept with the body. The index has what it said.")
    if stop.is_set() and done < len(whole):
        return ExitCode.INTERRUPTED
    return ExitCode.OK if complete and not missing else ExitCode.DIFFERENT


def _print(work: Iterator[list[DeadLetter]], stop: threading.Event, *, total: int, as_json: bool) -> int:
    done = 0
    with progress("Dead letters") as bar:
        bar.total(total)
        for batch in work:
            done += len(batch)
            bar.advance(len(batch))
            if as_json:
                for letter in batch:
                    print_json(_document(letter))
            if stop.is_set():
                break
    return done


def _letters(session: Session) -> DeadLetters:
    from dicom_common.pipeline import DeadLetters, TopicSettings  # noqa: PLC0415 - imports pydicom

    services = session.existing
    return DeadLetters(services.broker, services.settings("topics", TopicSettings).all)


def _made(session: Session, **choice: Any) -> LetterChoice:
    """Return what was chosen; a choice has to be made."""
    made = choice_of(session, **choice)
    if not made.is_made:
        raise CommandError("Say which letters: PLACE, --reason, --topic, --study, or --all.")
    return made


def _found(choice: LetterChoice, letters: DeadLetters) -> list[DeadLetter]:
    found = choice.of(letters.read())
    if not found:
        _is_complete(letters)
        raise CommandError("No dead letter matches: `dicom-common dead-letters list` shows them all.")
    return found


def _is_complete(letters: DeadLetters) -> bool:
    if not letters.is_complete:
        note("Some letters were not seen: another command has them, or one was killed. Try again in half a minute.")
    return letters.is_complete


def _counted(number: int) -> str:
    return f"{number} dead letter{'' if number == 1 else 's'}"


def _document(letter: DeadLetter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in _FIELDS}
