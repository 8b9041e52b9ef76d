"""`dicom-common scp`: the DICOM application entity."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from dicom_common.cli import ExitCode, RelayThread, Session, below, note, pass_session, settle_down, stopping_on_signals
from dicom_common.core import AuditKind, hookimpl
from dicom_common.dimse._ae import ApplicationEntity
from dicom_common.dimse._metrics_port import shown_metrics
from dicom_common.dimse._settings import DimseSettings
from dicom_common.dimse._workers import serve_by_workers
from dicom_common.host import listen

__all__ = ["scp"]

_STOPPING = "Stopping once the current requests are answered; a second signal stops at once."


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common scp --config site.toml",
                "dicom-common --config site.toml scp --host 0.0.0.0 --port 104 --workers 4",
                "echoscu -aet CT1 -aec DICOMCOMMON 127.0.0.1 11112",
            ],
        }
    )
)
@click.option(
    "--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="The configuration: as before `scp`."
)
@click.option("--host", metavar="ADDRESS", help="The address to listen on; by default dimse.host.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0: any free one. By default dimse.port.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that share the port; by default dimse.workers.")
@pass_session
def scp(session: Session, *, file: Path | None, host: str | None, port: int | None, workers: int | None) -> int:
    """Serve DIMSE: C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET and storage commitment.

    Accepts associations only from the peers in [dimse.peers]. Publishes events, as `relay` does. SIGINT or SIGTERM
    stops it once the current requests are answered, or after dimse.shutdown_seconds.

    Exits 0 after such a stop, 2 if it cannot listen or a backend cannot be opened.
    """
    if file is not None:
        session.use_file(file)
    given = {"host": host, "port": port, "workers": workers}
    session.override({f"dimse.{name}": str(value) for name, value in given.items() if value is not None})
    services, config = session.services, session.config
    settings = config.section("dimse", DimseSettings)
    _ = services.storage, services.db, services.broker  # a wrong configuration fails now
    with closing(listen(settings.host, settings.port, table="dimse")) as listening:
        with session.auditing(AuditKind.APPLICATION_STARTED, None, command="scp") as deed:
            deed.record()
        with (
            session.auditing(AuditKind.APPLICATION_STOPPED, None, command="scp"),
            closing(RelayThread(session)) as relay,
        ):
            relay.start()
            settle_down()
            with stopping_on_signals(_STOPPING) as stop:
                _tell(settings, listening)
                _serve(session, settings, listening, stop)
            relay.finish()
    return ExitCode.OK


@contextmanager
def beside(session: Session) -> Iterator[None]:
    """Serve DIMSE beside the server of another command, until the block ends.

    Raises:
        DicomCommonError: the configuration is wrong, or the port cannot be listened on.
    """
    settings = session.config.section("dimse", DimseSettings)
    stop = threading.Event()
    with closing(listen(settings.host, settings.port, table="dimse")) as listening:
        _tell(settings, listening)
        if settings.workers == 1:
            with ApplicationEntity(session.services, settings, listening) as ae, shown_metrics(settings, ae.metrics):
                yield
            return
        thread = threading.Thread(target=_serve, args=(session, settings, listening, stop), name="dimse-workers")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _serve(session: Session, settings: DimseSettings, listening: socket.socket, stop: threading.Event) -> None:
    if settings.workers > 1:
        serve_by_workers(session.config, settings, listening, stop, verbose=session.verbose)
        return
    with ApplicationEntity(session.services, settings, listening) as ae, shown_metrics(settings, ae.metrics):
        stop.wait()


def _tell(settings: DimseSettings, listening: socket.socket) -> None:
    note(f"Listening as {settings.ae_title} on {settings.host} port {listening.getsockname()[1]}")
    if not settings.peers:
        note("There are no peers, so that all are rejected: name them below [dimse.peers].")


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer `dicom-common scp`."""
    return [scp]
