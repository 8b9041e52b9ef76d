"""What an ingest held of an instance is free when it is answered: nothing waits for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pipeline_site import Make, Site

from dicom_common.pipeline import Ingest, Received


@pytest.fixture
def no_collector() -> Iterator[None]:
    """As in a process that has so much memory that garbage is looked for late."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(type(one) is Received for one in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
def test_stored_instances_leave_the_memory_when_they_are_answered(site: Site, make: Make) -> None:
    before = alive()
    with Ingest(site.services()) as ingest:
        for number in range(1, 6):
            ingest.store([Received(source=make(number), name="stored")], tenant="local")
        ingest.store([Received(source=b"no instance", name="refused")], tenant="local")
        with ThreadPoolExecutor(4) as threads:
            several = [[Received(source=make(number), name="several")] for number in range(10, 30)]
            list(threads.map(lambda one: ingest.store(one, tenant="local"), several))
            several.clear()
        ingest.submit(Received(source=make(40), name="submitted"), tenant="local").result()
    assert alive() == before
