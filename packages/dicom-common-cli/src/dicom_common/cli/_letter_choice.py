"""Which dead letters a command is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from dicom_common.cli._session import Session

if TYPE_CHECKING:
    from dicom_common.pipeline import DeadLetter

__all__ = ["LetterChoice", "choice_of", "choosing"]


@dataclass(frozen=True, kw_only=True)
class LetterChoice:
    """Which letters; each part narrows the choice."""

    places: frozenset[str]
    reasons: frozenset[str]
    topics: frozenset[str]
    studies: frozenset[str]
    everything: bool
    tenant: str | None

    @property
    def is_made(self) -> bool:
        """Whether anything was said."""
        return bool(self.everything or self.places or self.reasons or self.topics or self.studies)

    def of(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Return those that were chosen."""
        return [
            letter
            for letter in letters
            if (not self.places or letter.place in self.places)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or letter.topic in self.topics)
            and (not self.studies or letter.study_uid in self.studies)
            and self.tenant in (None, letter.tenant)
        ]


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose letters."""
    for option in (
        click.option("--study", "studies", multiple=True, metavar="UID", help="Those of this study; repeatable."),
        click.option("--topic", "topics", multiple=True, metavar="T", help="Those of this topic; repeatable."),
        click.option("--reason", "reasons", multiple=True, metavar="R", help="Those with this reason; repeatable."),
        click.argument("places", nargs=-1, metavar="[PLACE]..."),
    ):
        command = option(command)
    return command


def choice_of(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    places: Sequence[str],
    reasons: Sequence[str],
    topics: Sequence[str],
    studies: Sequence[str],
    everything: bool = False,
) -> LetterChoice:
    """Make the choice of what the options gave."""
    return LetterChoice(
        places=frozenset(places),
        reasons=frozenset(reasons),
        topics=frozenset(topics),
        studies=frozenset(studies),
        everything=everything,
        tenant=session.tenant_name,
    )
