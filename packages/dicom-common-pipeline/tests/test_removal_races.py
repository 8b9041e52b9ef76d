"""A removal beside an ingest: nothing is left of what is not indexed."""

from __future__ import annotations

from typing import Any

from pipeline_site import ROOT, Make, Site

from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, remove


class NotedLate:
    """An index that goes on to the real one: another process notes after an `add` that it deleted what was discarded.

    It read the list and deleted the objects before the bytes of the `add` were written.
    """

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def add(self, entries: Any, **options: Any) -> Any:
        outcomes = self._real.add(entries, **options)
        self._real.deleted(self._real.discarded(100))
        return outcomes


def test_nothing_is_left_of_what_was_written_where_another_process_was_deleting(site: Site, make: Make) -> None:
    site.store(make())
    with Services(site.config()) as services:
        assert remove(services, "local", f"{ROOT}.1")
        services._opened["db"] = NotedLate(services.db)
        with Ingest(services) as ingest:
            (again,) = ingest.store([Received(source=make(), name="again")], tenant="local")
    assert again.status == "stored"
    assert list(site.objects) == [again.key]
