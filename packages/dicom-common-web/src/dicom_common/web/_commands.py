"""`dicom-common serve`, the DICOMweb server, and `dicom-common link`, which makes a link to one study."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from dicom_common.cli import (
    CommandError,
    ExitCode,
    RelayThread,
    Session,
    below,
    note,
    pass_session,
    print_line,
    servers_beside,
    settle_down,
    stopping_on_signals,
)
from dicom_common.core import AuditKind, hookimpl
from dicom_common.host import listen, require_loopback
from dicom_common.web._links import capabilities_of, root_of
from dicom_common.web._page import VIEWER_PATH, require_viewer
from dicom_common.web._serving import Serving, serve as serve_here, serve_by_workers, url_of
from dicom_common.web._settings import WebSettings

__all__ = ["link", "serve"]

_STOPPING = "Stopping once the current requests are answered; a second signal stops at once."


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common serve",
                "dicom-common --data .demo serve --port 0",
                "dicom-common --config site.toml serve --host 0.0.0.0 --port 8443 --workers 4",
                "curl http://127.0.0.1:8042/dicom-web/studies",
            ],
        }
    )
)
@click.option("--host", metavar="ADDRESS", help="The address to listen on; by default web.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0: any free one. By default web.port.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that share the port; by default web.workers.")
@click.option(
    "--viewer",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with the OHIF viewer, shown below /ohif; by default web.viewer.",
)
@pass_session
def serve(session: Session, *, host: str | None, port: int | None, workers: int | None, viewer: Path | None) -> int:
    """Serve DICOMweb: STOW-RS, QIDO-RS, WADO-RS and WADO-URI.

    Without an authenticator it listens only on a loopback address, and permits every request from this machine.
    Publishes events, as `relay` does. SIGINT or SIGTERM stops it once the current requests are answered, or after
    web.shutdown_seconds.

    Exits 0 after such a stop, 2 if it cannot listen or a backend cannot be opened.
    """
    given = {"host": host, "port": port, "workers": workers, "viewer": viewer}
    session.override({f"web.{name}": str(value) for name, value in given.items() if value is not None})
    services, config = session.services, session.config
    settings = config.section("web", WebSettings)
    authenticator = services.auth if config.backend("auth") is not None else None
    if authenticator is not None or not settings.clients:
        require_loopback(authenticator, settings.host)
    if settings.viewer is not None:
        require_viewer(settings.viewer)
    _ = services.storage, services.db, services.broker  # a wrong configuration fails now
    with closing(listen(settings.host, settings.port, table="web")) as listening:
        site, usable = url_of(settings, listening)
        public_url = config.general.public_url or (site + settings.root if usable else "")
        serving = Serving(settings=settings, listening=listening, public_url=public_url)
        with session.auditing(AuditKind.APPLICATION_STARTED, None, command="serve") as deed:
            deed.record()
        with (
            session.auditing(AuditKind.APPLICATION_STOPPED, None, command="serve"),
            closing(RelayThread(session)) as relay,
            servers_beside(session, settings.beside, setting="web.beside"),
        ):
            relay.start()
            settle_down()
            note(f"Listening on {site}{settings.root}" + (f"; the page is {site}/" if settings.page else ""))
            if authenticator is None and not settings.clients:
                note("There is no authenticator: every user of this machine may do everything.")
            if settings.workers == 1:
                serve_here(services, serving, on_stop=lambda: note(_STOPPING))
            else:
                with stopping_on_signals(_STOPPING) as stop:
                    serve_by_workers(config, serving, stop, verbose=session.verbose)
            relay.finish()
    return ExitCode.OK


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common link 1.2.826.0.1.3680043",
                "dicom-common link 1.2.826.0.1.3680043 --viewer",
                "dicom-common link 1.2.826.0.1.3680043 --series 1.2.826.0.1.3680043.7 --seconds 600",
            ],
        }
    )
)
@click.argument("study")
@click.option("--series", metavar="UID", help="Only this series of the study.")
@click.option(
    "--seconds", type=click.IntRange(1, 604_800), help="Seconds until it expires; by default web.links.seconds."
)
@click.option("--viewer", is_flag=True, help="Print the address at which the server's OHIF viewer shows the study.")
@click.option("--tenant", metavar="T", help="The tenant that owns the study; by default that of the configuration.")
@pass_session
def link(  # noqa: PLR0913 - its options
    session: Session, *, study: str, series: str | None, seconds: int | None, viewer: bool, tenant: str | None
) -> int:
    """Print a link to a study: a DICOMweb service root that shows only this study, until the link expires.

    Anyone with the link may search and retrieve the study until then. It is for a viewer that cannot send a token.
    With --viewer it is the address of a page, which a person opens in a browser.

    Exits 2 if there is no such study or series, or if the configuration lacks public_url or [web.links].
    """
    services, config = session.existing, session.config
    settings = config.section("web", WebSettings)
    capabilities = capabilities_of(settings.links)
    if settings.links is None or capabilities is None:
        raise CommandError("Links need a signing key: add [[web.links.keys]] to the configuration.")
    public_url = config.general.public_url
    if not public_url:
        raise CommandError("A link begins with public_url: set it at the top of the configuration.")
    if viewer:
        if series:
            raise CommandError("The viewer shows whole studies: leave out --series.")
        if not public_url.endswith(settings.root):
            raise CommandError(f"public_url does not end with {settings.root}, so the viewer's address is not known.")
    whose = session.tenant(tenant)
    told = {"command": "link", "series": series, "seconds": seconds or settings.links.seconds}
    with session.auditing(AuditKind.SECURITY_CHANGED, whose, **told) as deed:
        deed.about(services, study)
        if next(iter(services.db.instances(whose, study, series)), None) is None:
            raise CommandError(
                f"Nothing is stored under {study}{f' {series}' if series else ''} for this tenant: `dicom-common find`"
                " lists the studies."
            )
        signed = capabilities.sign(whose, study, series or "", seconds=seconds or settings.links.seconds)
        deed.record()
        if viewer:
            public_url = public_url.removesuffix(settings.root) + VIEWER_PATH
        print_line(root_of(public_url, signed))
    return ExitCode.OK


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer `dicom-common serve` and `dicom-common link`."""
    return [serve, link]
