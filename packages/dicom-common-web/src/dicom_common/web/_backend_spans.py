"""A span for each call of a backend, below the span of the request: its kind, the backend, the outcome, the bytes.

No argument and no answer is in a span, so neither is a key, a UID or a value of a data set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dicom_common.core import ObjectInfo, Upload

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

__all__ = ["with_spans"]

_UNSEEN = frozenset({"check", "close"})
"""Methods that no request waits for."""


def with_spans(tracer: Tracer, table: str, name: str, backend: Any) -> Any:
    """Return a backend each of whose calls has a span, if it is made for a request.

    Args:
        tracer: of OpenTelemetry.
        table: the kind of backend, or `storages.NAME`.
        name: of the backend.
        backend: what is returned has the same methods, so the same abilities for `isinstance`.
    """
    kind = table.partition(".")[0].removesuffix("s")  # `storages.NAME` is a storage, too
    form: Callable[[type], Callable[..., Any]] = _form_of
    return form(type(backend))(backend, _Spans(tracer, kind, name))


class _Spans:
    """Makes the spans of one backend."""

    def __init__(self, tracer: Tracer, kind: str, name: str) -> None:
        self._tracer, self._kind = tracer, kind
        self._attributes = {"dicom_common.kind": kind, "dicom_common.backend": name}

    def call(self, method: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a method within a span. Without a request there is none: the relay asks every half second."""
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        if not trace.get_current_span().get_span_context().is_valid:
            return function(*arguments, **named)
        began = self._tracer.start_span(
            f"{self._kind}.{method}", kind=trace.SpanKind.CLIENT, attributes=self._attributes
        )
        span = _OpenSpan(began)
        try:
            with trace.use_span(began, record_exception=False, set_status_on_exception=False):
                answer = function(*arguments, **named)
        except BaseException as error:
            span.fail(error)
            raise
        if isinstance(answer, Iterator):
            return _Chunks(answer, span)
        if method == "open_upload":
            return _SeenUpload(answer, span)
        span.size = _size_of(method, answer)
        span.end("ok")
        return answer


def _size_of(method: str, answer: object) -> int | None:
    """Return the bytes that a call moved; None where it moves none."""
    if isinstance(answer, bytes):
        return len(answer)
    if isinstance(answer, ObjectInfo) and method != "stat":
        return answer.size
    if method == "write_many" and isinstance(answer, list):
        return sum(one.size for one in answer if isinstance(one, ObjectInfo))
    return None


class _OpenSpan:
    """A span that has not ended. What is dropped without an end ends it."""

    def __init__(self, span: Span) -> None:
        self._span, self._is_open = span, True
        self.size: int | None = None

    def fail(self, error: BaseException) -> None:
        """End it with the class of an error, since its text may name a key."""
        if self._is_open:
            self._span.set_attribute("error.type", type(error).__name__)
        self.end("error")

    def end(self, outcome: str) -> None:
        """End it, once."""
        if self._is_open:
            self._is_open = False
            self._span.set_attribute("dicom_common.outcome", outcome)
            if self.size is not None:
                self._span.set_attribute("dicom_common.bytes", self.size)
            self._span.end()

    def __del__(self) -> None:
        self.end("dropped")


class _Chunks:
    """What a call returns piece by piece. Its span ends with the last piece, or when it is closed."""

    def __init__(self, chunks: Iterator[Any], span: _OpenSpan) -> None:
        self._chunks, self._span = chunks, span

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._span.end("ok")
            raise
        except BaseException as error:
            self._span.fail(error)
            raise
        if isinstance(chunk, bytes):
            self._span.size = (self._span.size or 0) + len(chunk)
        return chunk

    def close(self) -> None:
        """Close the iterator."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        self._span.end("closed")


class _SeenUpload:
    """An object that arrives as a stream. Its span ends with its commit or its abort."""

    def __init__(self, upload: Upload, span: _OpenSpan) -> None:
        self._upload, self._span = upload, span

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        self._upload.write(data)
        self._span.size = (self._span.size or 0) + len(data)

    def commit(self, key: str, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Make the object. After an error the upload may still be committed or aborted."""
        made = self._upload.commit(key, if_absent=if_absent, sha256=sha256)
        self._span.end("ok")
        return made

    def abort(self) -> None:
        """Drop the bytes."""
        self._upload.abort()
        self._span.end("aborted")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._upload.__exit__(kind, error, trace)
        self._span.end("aborted")


@lru_cache(maxsize=64)
def _form_of(backend: type[Any]) -> type[Any]:
    """Make a class with the public methods of a backend's class, which `isinstance` looks for in the class."""
    members: dict[str, Any] = {"__slots__": ("_backend", "_spans"), "__init__": _initial, "__getattr__": _other}
    for name in dir(backend):
        if not name.startswith("_") and inspect.isroutine(getattr(backend, name)):
            members[name] = _method(name)
    return type(f"{backend.__name__}WithSpans", (), members)


def _initial(self: Any, backend: Any, spans: _Spans) -> None:
    self._backend, self._spans = backend, spans


def _other(self: Any, name: str) -> Any:
    return getattr(self._backend, name)


def _method(name: str) -> Callable[..., Any]:
    def unseen(self: Any, *arguments: Any, **named: Any) -> Any:
        return getattr(self._backend, name)(*arguments, **named)

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return self._spans.call(name, getattr(self._backend, name), *arguments, **named)

    return unseen if name in _UNSEEN else method
