"""A progress bar on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Bar", "progress"]


class Bar:
    """What a command tells of its progress; this one shows nothing. Thread-safe."""

    def advance(self, count: int = 1) -> None:
        """Say that so many more are done."""

    def total(self, count: int | None, *, done: int | None = None) -> None:
        """Say how many there are, and how many of them are done."""

    def describe(self, text: str) -> None:
        """Say what is being done."""


@contextmanager
def progress(text: str) -> Iterator[Bar]:
    """Show a bar on stderr while the block runs, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console  # noqa: PLC0415 - 60 ms, on a terminal only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class Rate(TextColumn):
        """How many are done in a second."""

        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.{0 if task.speed >= 10 else 1}f}/s")

    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(""),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr, highlight=False),
        # What is printed on the same terminal goes above the bar; results that go elsewhere are left alone.
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    )
    task = shown.add_task(text, total=None)

    class Shown(Bar):
        def advance(self, count: int = 1) -> None:
            shown.advance(task, count)

        def total(self, count: int | None, *, done: int | None = None) -> None:
            shown.update(task, total=count, completed=done)

        def describe(self, text: str) -> None:
            shown.update(task, description=text)

    with shown:
        yield Shown()
