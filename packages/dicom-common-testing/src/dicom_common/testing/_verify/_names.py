"""The names of what tests keep in a live backend: it goes with its test, or with the run if that is interrupted."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_common.cli import CommandError
from dicom_common.testing._verify._scratch import empty
from dicom_common.testing._verify._target import Target, live

__all__ = ["clear", "names_left", "scratch_name"]

_SECONDS = 120


@contextmanager
def scratch_name(target: Target) -> Iterator[str]:
    """Give a name that no other test has; at the end, what is kept under it goes.

    Raises:
        CommandError: the command that makes or removes an index failed.
    """
    name = f"v{secrets.token_hex(4)}"  # short: the longest keys of the contract have to fit behind it
    _note(target, f"+{name}")
    try:
        _run(target.create, name)
    except CommandError:
        _note(target, f"-{name}")
        raise
    try:
        yield name
    finally:
        clear(target, name)
        _note(target, f"-{name}")


def clear(target: Target, name: str) -> None:
    """Remove what is kept under a name."""
    if target.kind == "storage":
        empty(live(target), f"{name}/")
    else:
        _run(target.drop, name)


def names_left(target: Target) -> list[str]:
    """Return the names of tests that could not remove what they kept."""
    lines = Path(target.names).read_text(encoding="utf-8").split()
    gone = {line[1:] for line in lines if line.startswith("-")}
    return [line[1:] for line in lines if line.startswith("+") and line[1:] not in gone]


def _note(target: Target, line: str) -> None:
    if target.names:
        with Path(target.names).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _run(command: str, name: str) -> None:
    if not command:
        return
    words = [word.replace("{}", name) for word in shlex.split(command)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603  # the user's own
    except FileNotFoundError:
        raise CommandError(f"There is no command {words[0]!r}: install it, or name it with its folder.") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"{shlex.join(words)!r} has not ended after {_SECONDS} s.") from None
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0] or "it said nothing"
        raise CommandError(f"{shlex.join(words)!r} failed with exit code {done.returncode}: {said}")
