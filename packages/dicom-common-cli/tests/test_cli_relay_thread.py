"""`RelayThread`: the events of a command are published beside it, and at the latest at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cli_command import HANG

from dicom_common.cli import RelayThread, Session
from dicom_common.pipeline import Ingest, Received

_IMAGES = "dicom_image_queue"


@pytest.fixture
def session(tmp_path: Path, samples: Path) -> Iterator[Session]:
    """A command that has stored one instance."""
    session = Session(data=tmp_path / "data")
    with closing(session):
        with Ingest(session.services) as ingest:
            ingest.store([Received(source=samples / "CT_small.dcm", name="CT")], tenant="local")
        yield session


def test_a_command_that_ends_at_once_has_published_its_events(session: Session) -> None:
    with closing(RelayThread(session)) as relay:
        relay.start()
        relay.finish()

    assert session.services.db.backlog().events == 0
    assert session.services.broker.backlog(_IMAGES, "nobody") == 1


def test_a_command_that_goes_on_publishes_meanwhile(session: Session) -> None:
    with closing(RelayThread(session)) as relay:
        relay.start()
        give_up = time.monotonic() + HANG
        while session.services.db.backlog().events:
            assert time.monotonic() < give_up, "the relay does not begin"
            time.sleep(0.05)
        relay.finish()

    assert session.services.broker.backlog(_IMAGES, "nobody") == 1
