"""Traces for OpenTelemetry, the extra `otel`: spans of requests, of the work that they wait for, of calls of backends.

Nothing of a data set, no UID and no query is in a span: of a request it has the route, of an error its class.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from starlette.requests import Request

from dicom_common.core import ConfigError
from dicom_common.host import SeenServices, Services
from dicom_common.web._backend_spans import with_spans

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

__all__ = ["RequestSpan", "Tracing", "open_tracing"]

P = ParamSpec("P")
T = TypeVar("T")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_NAME = "dicom-common-web"


def open_tracing() -> Tracing | None:
    """Return the tracing of the server; None if it is off, in which case OpenTelemetry is not imported.

    Somebody takes them if `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector, or the program that this runs in has set a
    tracer provider.

    Raises:
        ConfigError: a collector is named, and the extra `otel` is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        if "opentelemetry.trace" not in sys.modules or not _has_provider():
            return None
    elif not _can_export():
        raise ConfigError(
            f"{_ENDPOINTS[0]} names a trace collector, but OpenTelemetry is not installed:"
            ' pip install "dicom-common-web[otel]".'
        )
    elif not _has_provider():
        _set_provider()
    from opentelemetry.trace import get_tracer  # noqa: PLC0415 - an extra

    return Tracing(get_tracer(_NAME))


def _can_export() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def _has_provider() -> bool:
    from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider  # noqa: PLC0415 - an extra

    return not isinstance(get_tracer_provider(), ProxyTracerProvider)


def _set_provider() -> None:
    """Send spans to the collector that the environment names."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    from opentelemetry.trace import set_tracer_provider  # noqa: PLC0415 - an extra

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "dicom-common"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)


class Tracing:
    """Makes spans.

    Args:
        tracer: of OpenTelemetry.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, request: Request) -> RequestSpan:
        """Begin the span of a request, below the one that its `traceparent` names (W3C Trace Context)."""
        from opentelemetry import context, propagate, trace  # noqa: PLC0415 - an extra

        around = propagate.extract(request.headers)
        method = request.method if request.method in _METHODS else "_OTHER"
        attributes = {"http.request.method": method, "url.scheme": request.url.scheme}
        span = self._tracer.start_span(method, around, kind=trace.SpanKind.SERVER, attributes=attributes)
        token = context.attach(trace.set_span_in_context(span, around))
        return RequestSpan(span, method, partial(context.detach, token))

    def work(self, name: str, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function within a span. The span has only the class of an error, since its text may quote a value."""
        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
            try:
                return function(*arguments, **named)
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    def see(self, services: Services) -> Services:
        """Return the same services, with a span for each call of a backend."""
        return SeenServices(services, partial(with_spans, self._tracer))

    @staticmethod
    def tell_stores(statuses: Iterable[str]) -> None:
        """Add to the span of a store request how many instances it had, by their status."""
        from opentelemetry.trace import get_current_span  # noqa: PLC0415 - an extra

        for status, count in Counter(statuses).items():
            get_current_span().set_attribute(f"dicom_common.instances.{status}", count)

    @staticmethod
    def close() -> None:
        """Send what waits, as far as it can be sent."""
        from opentelemetry.trace import get_tracer_provider  # noqa: PLC0415 - an extra

        flush: Any = getattr(get_tracer_provider(), "force_flush", None)
        if flush is not None:
            flush(2000)


class RequestSpan:
    """The span of a request.

    Args:
        span: of OpenTelemetry.
        method: of the request.
        detach: is called when it ends, in the task in which it began.
    """

    def __init__(self, span: Span, method: str, detach: Callable[[], None]) -> None:
        self._span, self._method, self._detach = span, method, detach

    def end(self, route: str, *, status: int, sent: int, request_id: str) -> None:
        """End it.

        Args:
            route: the path template of the resource, with names in place of values; "" if no resource matches.
            status: of HTTP.
            sent: bytes of the answer's body.
            request_id: by which logs and records belong to it.
        """
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - an extra

        if route:
            self._span.update_name(f"{self._method} {route}")
            self._span.set_attribute("http.route", route)
        self._span.set_attributes(
            {
                "http.response.status_code": status,
                "http.response.body.size": sent,
                "dicom_common.request_id": request_id,
            }
        )
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        self._detach()
