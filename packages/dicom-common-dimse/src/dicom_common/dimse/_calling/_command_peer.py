"""What the commands that call a peer have in common: whom they call, for which tenant, and what of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import click

from dicom_common.cli import CommandError, Session
from dicom_common.core import UnavailableError
from dicom_common.dimse._calling._client import Client
from dicom_common.dimse._calling._destination import Destination, destination_of
from dicom_common.dimse._settings import DimseSettings, PeerSettings

__all__ = ["What", "attempts", "client_of", "going_on", "peer", "tenant_of", "tenant_option", "uri_of", "what_of"]

_MOST_PARTS = 3

peer = click.argument("peer", metavar="PEER")
tenant_option = click.option("--tenant", metavar="T", help="The tenant to work on; by default that of the peer.")
attempts = click.option(
    "--attempts",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How many tries in a row may fail before the command gives up; the delay grows after each.",
)


class What(NamedTuple):
    """A study, one of its series, or one instance."""

    study: str
    series: str | None = None
    instance: str | None = None

    def __str__(self) -> str:
        return "/".join(part for part in self if part is not None)


def client_of(session: Session, name: str, attempts: int = 1) -> tuple[Client, PeerSettings]:
    """Return the client for a peer of the configuration, and its settings.

    Raises:
        ConfigError: there is no such peer, or it has no address.
    """
    settings = session.config.section("dimse", DimseSettings)
    return Client(destination=destination_of(settings, name), attempts=attempts), settings.peers[name]


def tenant_of(session: Session, settings: PeerSettings, given: str | None) -> str:
    """Return the tenant that a command works for: one of the peer's, so that nothing goes to, or comes from, another.

    Raises:
        CommandError: another tenant was given.
        ConfigError: it is not a tenant id.
    """
    named = given or session.tenant_name
    known = [one for one in (settings.tenant, *settings.called.values()) if one]
    if named is None:
        return known[0] if known else session.tenant()
    whose = session.tenant(named)
    if known and whose not in known:
        raise CommandError(
            f"The peer {settings.ae_title} belongs to the tenant {known[0]}, not to {whose}. Correct --tenant, or the"
            " tenant of the peer."
        )
    return whose


def what_of(texts: Sequence[str], *, most: int = _MOST_PARTS) -> list[What]:
    """Read what people name: `STUDY`, `STUDY/SERIES` or `STUDY/SERIES/INSTANCE`.

    Raises:
        CommandError: it has more parts, or an empty one.
    """
    found = []
    for text in dict.fromkeys(texts):
        parts = text.split("/")
        if len(parts) > most or not all(parts):
            shape = "STUDY, STUDY/SERIES or STUDY/SERIES/INSTANCE" if most == _MOST_PARTS else "STUDY or STUDY/SERIES"
            raise CommandError(f"{text!r} does not name a study, series or instance: write {shape}.")
        found.append(What(*parts))
    return found


@contextmanager
def going_on() -> Iterator[None]:
    """Say that the same command goes on where a peer was lost."""
    try:
        yield
    except UnavailableError as error:
        raise CommandError(f"{error} Repeat the command to resume.") from error


def uri_of(destination: Destination) -> str:
    """Return the destination for an audit trail."""
    return f"dicom://{destination.host}:{destination.port}/{destination.ae_title}"
