"""Traces: what a collector receives of requests, and that nothing of a patient is in it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from made_instances import make_instance, study_uid
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from server_process import STUDIES, server_process

from dicom_common.core import ConfigError
from dicom_common.testing import find_canary
from dicom_common.web import _tracing

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """A collector of traces that speaks OTLP over HTTP, and keeps what it gets."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Any]:
        resources = [one for body in self.bodies for one in ExportTraceServiceRequest.FromString(body).resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    one = Collector()
    thread = threading.Thread(target=one.server.serve_forever)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", one.url)
    try:
        yield one
    finally:
        one.server.shutdown()
        thread.join()
        one.server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def check_calls(spans: list[Any]) -> None:
    """Calls of backends lie below their request, and say what they were and how they ended."""
    requests = {span.trace_id: span for span in spans if span.kind == span.SPAN_KIND_SERVER}
    calls: dict[str, dict[str, dict[str, Any]]] = {}
    for span in spans:
        if span.kind == span.SPAN_KIND_CLIENT:
            assert span.name.partition(".")[0] == attributes(span)["dicom_common.kind"]
            calls.setdefault(requests[span.trace_id].name, {})[span.name] = attributes(span)
    by_id = attributes(next(one for one in requests.values() if attributes(one)["dicom_common.request_id"] == "parts"))
    assert by_id["dicom_common.instances.stored"] == 6
    stored = calls["POST /dicom-web/studies"]
    assert stored["storage.write_many"] == {
        "dicom_common.kind": "storage",
        "dicom_common.backend": "filesystem",
        "dicom_common.outcome": "ok",
        "dicom_common.bytes": stored["storage.write_many"]["dicom_common.bytes"],
    }
    assert stored["storage.write_many"]["dicom_common.bytes"] > 6 * 300
    assert stored["db.add"] == {
        "dicom_common.kind": "db",
        "dicom_common.backend": "sqlite",
        "dicom_common.outcome": "ok",
    }
    assert "db.find" in calls["GET /dicom-web/studies"]
    assert calls["GET /dicom-web/studies/{study}"]["storage.read"]["dicom_common.bytes"] > 300
    assert calls["GET /dicom-web/studies/{study}/metadata"]["db.metadata"]["dicom_common.outcome"] == "ok"
    assert not [name for names in calls.values() for name in names if name in ("db.pending", "db.write_log")]


@pytest.mark.kills
@pytest.mark.slow
def test_a_collector_gets_spans_of_requests_and_of_their_work_and_nothing_of_a_patient(
    collector: Collector, tmp_path: Path
) -> None:
    with server_process(tmp_path / "data") as running:
        stored = running.store(
            make_instance(77, PatientID="CANARY", PatientName="CANARY^A"), traceparent=f"00-{TRACE}-{PARENT}-01"
        )
        assert stored.status == 200
        assert running.request("GET", f"{STUDIES}?PatientID=CANARY", x_request_id="mine").status == 200
        assert running.request("GET", f"{STUDIES}/{study_uid(77)}/metadata").status == 200
        whole = running.request("GET", f"{STUDIES}/{study_uid(77)}", accept=AS_STORED)
        assert whole.status == 200
        parts = running.store(*(make_instance(78, 1, number) for number in range(1, 7)), x_request_id="parts")
        assert parts.status == 200
        assert running.request("GET", f"{STUDIES}/1.2.3").status == 404
        assert running.request("GET", "/nothing/CANARY").status == 404
    spans = collector.spans()
    by_name = {span.name: span for span in spans}
    (store,) = (span for span in spans if span.parent_span_id.hex() == PARENT)
    assert (store.name, store.trace_id.hex()) == ("POST /dicom-web/studies", TRACE)
    assert attributes(store)["dicom_common.instances.stored"] == 1
    search = by_name["GET /dicom-web/studies"]
    assert attributes(search)["http.response.status_code"] == 200
    assert attributes(search)["dicom_common.request_id"] == "mine"
    work = by_name["search: search"]
    assert (work.trace_id, work.parent_span_id) == (search.trace_id, search.span_id)
    assert attributes(by_name["GET /dicom-web/studies/{study}"])["http.response.status_code"] == 404
    assert by_name["GET"].trace_id != search.trace_id
    check_calls(collector.spans())
    everything = b"".join(collector.bodies).decode("latin-1")
    assert find_canary(everything) is None
    assert "CANARY" not in everything
    assert study_uid(77) not in everything


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    code = "import sys, dicom_common.web as web; from dicom_common.web import _tracing; print(_tracing.open_tracing());"
    code += "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n[]\n"


def test_a_collector_without_the_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(_tracing, "_can_export", lambda: False)
    with pytest.raises(ConfigError, match=r"dicom-common-web\[otel\]"):
        _tracing.open_tracing()
