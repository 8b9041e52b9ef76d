"""What was received is let go of when it is answered: a server must not have to wait for the garbage collector."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Iterator

import pytest
from pipeline_site import Make, Site

from dicom_common.core import UnavailableError
from dicom_common.pipeline import Ingest, Received


class Source(io.BytesIO):
    """Bytes of which it is known whether they are still held."""


@pytest.fixture
def collector() -> Iterator[None]:
    """Keep the garbage collector away."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("storage_fails", [False, True])
@pytest.mark.parametrize("is_submitted", [False, True])
def test_an_answer_lets_go_of_what_was_received(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch, *, is_submitted: bool, storage_fails: bool
) -> None:
    services = site.services()

    def failing(*_: object, **__: object) -> None:
        raise UnavailableError("The disk is away.")

    held = weakref.WeakSet[Source]()
    with Ingest(services) as ingest:
        if storage_fails:
            monkeypatch.setattr(services.storage, "write_many", failing)
        for number in range(4):
            sources = [Source(make(10 * number + one)) for one in range(3)]
            held.update(sources)
            received = [Received(source=source, name="made") for source in sources]
            if is_submitted:
                results = [future.result() for future in ingest.submit_all(received, tenant="local")]
            else:
                results = ingest.store(received, tenant="local")
            assert {str(result.status) for result in results} == {"rejected" if storage_fails else "stored"}
        del sources, received
    assert not held
