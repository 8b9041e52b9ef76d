"""Spans of single calls of backends: what they say, what they leave out, and that the backends stay what they were."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_instances import make_instance, study_uid
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dicom_common.core import BatchWrites, KeptFrames, LocalFiles, Logs, NotFoundError, SignedUrls, Uploads
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, read_ahead
from dicom_common.web._tracing import Tracing


class Traced:
    """Services with spans, and a request that they work for."""

    def __init__(self, services: Services) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("test")
        self.services = Tracing(self.tracer).see(services)

    def spans(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the spans of calls that have ended, in their order, and forget them."""
        ended: list[ReadableSpan] = [one for one in self.exporter.get_finished_spans() if one.name != "request"]
        self.exporter.clear()
        assert all(one.parent is not None and not one.events for one in ended)
        return [(one.name, dict(one.attributes or {})) for one in ended]


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Traced]:
    with Services(Config.load(overrides={"data": str(tmp_path / "data")}, variables={})) as services:
        yield Traced(services)


def told(kind: str, backend: str, outcome: str, **more: object) -> dict[str, object]:
    named = {f"dicom_common.{name}": value for name, value in more.items() if name != "error"}
    error = {"error.type": more["error"]} if "error" in more else {}
    return {
        "dicom_common.kind": kind,
        "dicom_common.backend": backend,
        "dicom_common.outcome": outcome,
        **named,
        **error,
    }


def test_a_call_has_a_span_with_its_kind_backend_outcome_and_bytes(traced: Traced) -> None:
    storage, cache = traced.services.storage, traced.services.cache
    with traced.tracer.start_as_current_span("request"):
        storage.write("a/b", b"12345")
        assert b"".join(storage.read("a/b", start=1)) == b"2345"
        storage.stat("a/b")
        with pytest.raises(NotFoundError):
            storage.read("CANARY/x")
        cache.set("CANARY", b"123", ttl=9)
        assert cache.get("CANARY") == b"123"
    assert traced.spans() == [
        ("storage.write", told("storage", "filesystem", "ok", bytes=5)),
        ("storage.read", told("storage", "filesystem", "ok", bytes=4)),
        ("storage.stat", told("storage", "filesystem", "ok")),
        ("storage.read", told("storage", "filesystem", "error", error="NotFoundError")),
        ("cache.set", told("cache", "memory", "ok")),
        ("cache.get", told("cache", "memory", "ok", bytes=3)),
    ]


def test_what_comes_or_goes_in_pieces_ends_its_span_with_the_last_piece_or_when_it_is_left(traced: Traced) -> None:
    storage = traced.services.storage
    assert isinstance(storage, Uploads)
    with traced.tracer.start_as_current_span("request"):
        with storage.open_upload() as upload:
            upload.write(b"123")
            assert traced.spans() == []
            upload.write(b"45")
            upload.commit("a/b")
        assert traced.spans() == [("storage.open_upload", told("storage", "filesystem", "ok", bytes=5))]
        storage.open_upload().abort()
        assert traced.spans() == [("storage.open_upload", told("storage", "filesystem", "aborted"))]
        chunks = storage.read("a/b")
        chunks.close()  # type: ignore[attr-defined]  # those of a file can be closed
        assert traced.spans() == [("storage.read", told("storage", "filesystem", "closed"))]
        storage.read("a/b")
        assert traced.spans() == [("storage.read", told("storage", "filesystem", "dropped"))]


def test_without_a_request_there_is_no_span(traced: Traced) -> None:
    traced.services.db.backlog()
    assert list(traced.services.storage.scan()) == []
    assert traced.spans() == []


def test_backends_keep_their_abilities_and_are_made_once(traced: Traced) -> None:
    storage, db = traced.services.storage, traced.services.db
    assert traced.services.storage is storage
    for ability in (BatchWrites, LocalFiles, Uploads):
        assert isinstance(storage, ability)
    assert not isinstance(storage, SignedUrls)
    assert isinstance(db, KeptFrames)
    assert isinstance(db, Logs)
    assert not isinstance(db, BatchWrites)
    traced.services.close()
    health = traced.services.check()
    assert {one.status for one in health.values()} == {"ok"}
    assert set(health) >= {"storage", "db", "cache", "broker"}


def test_the_threads_of_an_ingest_and_of_a_retrieval_work_for_the_request(traced: Traced) -> None:
    sources = [make_instance(1, 1, number) for number in range(1, 4)]
    with Ingest(traced.services) as ingest, traced.tracer.start_as_current_span("request"):
        futures = [ingest.submit(Received(source=io.BytesIO(one), name=""), tenant="local") for one in sources]
        assert {future.result().status for future in futures} == {"stored"}
        stored = list(traced.services.db.instances("local", study_uid()))
        assert len([b"".join(chunks) for _, chunks in read_ahead(traced.services.storage, stored)]) == 3
    spans = traced.spans()
    written = [attributes for name, attributes in spans if name == "storage.write_many"]
    assert sum(one["dicom_common.bytes"] for one in written) == sum(map(len, sources))
    assert "db.add" in dict(spans)
    assert [name for name, _ in spans].count("storage.read") == 3
