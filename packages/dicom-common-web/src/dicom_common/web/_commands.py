"""`dicom-common serve`: the DICOMweb server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from dicom_common.cli import (
    ExitCode,
    RelayThread,
    Session,
    below,
    note,
    pass_session,
    servers_beside,
    stopping_on_signals,
)
from dicom_common.core import AuditKind, hookimpl
from dicom_common.host import listen, require_loopback
from dicom_common.web._serving import Serving, serve as serve_here, serve_by_workers, url_of
from dicom_common.web._settings import WebSettings

__all__ = ["serve"]

_STOPPING = "Stopping when the requests in hand are answered; a second signal ends it at once."


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

    Without an authenticator it lets in everybody on this machine, and listens on a loopback address only. Publishes
    events, as `relay` does. SIGINT or SIGTERM ends it when the requests in hand are answered, or after
    web.shutdown_seconds.

    Exits 0 when it was told to stop, 2 if it cannot listen or a backend cannot be opened.
    """
    given = {"host": host, "port": port, "workers": workers, "viewer": viewer}
    session.override({f"web.{name}": str(value) for name, value in given.items() if value is not None})
    services, config = session.services, session.config
    settings = config.section("web", WebSettings)
    authenticator = services.auth if config.backend("auth") is not None else None
    if authenticator is not None or not settings.clients:
        require_loopback(authenticator, settings.host)
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
            note(f"Listening on {site}{settings.root}" + (f"; the page is {site}/" if settings.page else ""))
            if authenticator is None and not settings.clients:
                note("There is no authenticator: everybody on this machine may do everything.")
            if settings.workers == 1:
                serve_here(services, serving, on_stop=lambda: note(_STOPPING))
            else:
                with stopping_on_signals(_STOPPING) as stop:
                    serve_by_workers(config, serving, stop, verbose=session.verbose)
            relay.finish()
    return ExitCode.OK


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer `dicom-common serve`."""
    return [serve]
