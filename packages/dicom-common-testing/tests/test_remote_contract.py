"""The contract of remote storages: a small storage over plain HTTP passes it, and one with a flaw does not."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import pytest
from fault_server import Server

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    Health,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    RefusedError,
    Source,
    Storage,
    UnavailableError,
)
from dicom_common.testing import Endpoint, Fault, FaultProxy, RemoteStorageContract

SECRET = "made-up-secret"
BESIDE = ".beside/"


class Store(BaseHTTPRequestHandler):
    """Keeps what is PUT; `If-None-Match: *` refuses to replace; GET / lists."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    objects: dict[str, tuple[bytes, str]]
    lock: threading.Lock

    def do_PUT(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        with self.lock:
            refused = self.headers["If-None-Match"] == "*" and self.key in self.objects
            if not refused:
                self.objects[self.key] = (body, self.headers["X-Attempt"])
        self.answer(412 if refused else 200)

    def do_GET(self) -> None:
        if not self.key:
            sizes = {key: len(body) for key, (body, _) in sorted(self.objects.items())}
            self.answer(200, json.dumps(sizes).encode())
        elif self.key not in self.objects:
            self.answer(404)
        else:
            body, attempt = self.objects[self.key]
            start = int(self.headers.get("X-Start", "0"))
            self.answer(200, body[start:], attempt)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_MOVE(self) -> None:
        target = unquote(self.headers["X-Key"])
        with self.lock:
            refused = self.headers["If-None-Match"] == "*" and target in self.objects
            found = None if refused else self.objects.pop(self.key, None)
            if found is not None:
                self.objects[target] = found
        self.answer(412 if refused else 200 if found else 404)

    def do_DELETE(self) -> None:
        self.objects.pop(self.key, None)
        self.answer(200)

    @property
    def key(self) -> str:
        return unquote(self.path[1:])

    def answer(self, status: int, body: bytes = b"", attempt: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Attempt", attempt)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class HttpStorage:
    """A storage over that store. Each flaw that it can have is one that real ones have had."""

    endpoint: Endpoint
    attempts: int = 5
    knows_its_own: bool = True
    resumes: bool = True
    retries_refusals: bool = False
    says_secret: bool = False
    calls_nothing_there: bool = False
    renames: bool = False
    """Whether it writes beside the object first, and renames what is whole."""

    def request(self, method: str, key: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, str, bool]:
        """Return status, body, the token of the object, and whether an earlier attempt was lost."""
        for attempt in range(self.attempts):
            connection = http.client.HTTPConnection(*self.endpoint, timeout=1.5)
            try:
                given = {name.replace("_", "-"): value for name, value in headers.items()}
                connection.request(method, "/" + quote(key), body if method == "PUT" else None, given)
                found = connection.getresponse()
                data = found.read()
            except http.client.IncompleteRead as error:
                if method == "GET" and self.resumes and key:
                    start = int(headers.get("X_Start", "0")) + len(error.partial)
                    status, rest, token, _ = self.request(method, key, b"", **{**headers, "X_Start": str(start)})
                    return status, error.partial + rest, token, True
                if method == "GET" and key:
                    return 200, error.partial, "", False
            except (OSError, http.client.HTTPException):
                pass
            else:
                status = found.status
                # An answer to HEAD has no body that tells what is missing.
                if status in (400, 401, 403) or (status == 404 and data and not self.calls_nothing_there):
                    if not self.retries_refusals:
                        raise RefusedError(self.sentence(data))
                elif status not in (408, 429) and status < 500:
                    return status, data, found.headers["X-Attempt"], attempt > 0
            finally:
                connection.close()
            time.sleep(0.01)
        raise UnavailableError("the store is away")

    def sentence(self, data: bytes) -> str:
        if b"RequestTimeTooSkewed" in data:
            return "the clocks differ: set the clock"
        return "the store refuses: check the settings bucket and key" + (SECRET if self.says_secret else "")

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        data = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else source.read()
        if sha256 not in (None, hashlib.sha256(data).hexdigest()):
            raise DamagedError("other bytes")
        token = uuid4().hex
        condition = {"If_None_Match": "*"} if if_absent else {}
        if self.renames:
            self.request("PUT", f"{BESIDE}{token}", data, X_Attempt=token)
            status, _, _, lost = self.request("MOVE", f"{BESIDE}{token}", b"", X_Key=quote(key), **condition)
            if status == 404 and lost and self.request("HEAD", key)[2] == token:
                status = 200  # it was renamed, and the answer was lost
        else:
            status, _, _, lost = self.request("PUT", key, data, X_Attempt=token, **condition)
        if status == 412:
            is_own = lost and self.knows_its_own and self.request("HEAD", key)[2] == token
            if not is_own:
                raise AlreadyExistsError("it is there")
        return ObjectInfo(key=key, size=len(data), modified=datetime.now(UTC))

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        status, data, _, _ = self.request("GET", key, X_Start=str(start))
        if status == 404:
            raise NotFoundError("it is not there")
        stream = io.BytesIO(data if length is None else data[:length])
        return iter(lambda: stream.read(1 << 20), b"")

    def stat(self, key: str) -> ObjectInfo:
        found = {info.key: info for info in self.scan()}
        if key not in found:
            raise NotFoundError("it is not there")
        return found[key]

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        sizes: dict[str, int] = json.loads(self.request("GET", "")[1] or "{}")
        for key, size in sizes.items():
            if key.startswith(prefix) and key > after and not key.startswith(BESIDE):
                yield ObjectInfo(key=key, size=size, modified=datetime.now(UTC))

    def delete(self, key: str) -> None:
        self.request("DELETE", key)

    def check(self) -> Health:
        try:
            self.request("GET", "")
        except BackendError as error:
            return Health(status=HealthStatus.FAILED, detail=str(error))
        return Health(status=HealthStatus.OK, detail="all is well")

    def close(self) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Endpoint]:
    members: dict[str, Any] = {"objects": {}, "lock": threading.Lock()}
    server = Server(("127.0.0.1", 0), type("Bound", (Store,), members))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Endpoint("127.0.0.1", server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


class TestHttpStorage(RemoteStorageContract):
    fault_style = "s3"
    multipart_bytes = 300_000

    @pytest.fixture
    def server_endpoint(self, store: Endpoint) -> Endpoint:
        return store

    @pytest.fixture
    def secrets(self) -> Sequence[str]:
        return [SECRET]

    @pytest.fixture
    def open_storage(self, store: Endpoint) -> Callable[[], Storage]:
        return lambda: HttpStorage(store)

    @pytest.fixture
    def proxied(self, fault_proxy: FaultProxy) -> Callable[[], Storage]:
        return lambda: HttpStorage(fault_proxy.endpoint)

    @pytest.mark.parametrize(
        ("flaw", "test", "arguments"),
        [
            ({"attempts": 1}, "test_a_small_write_survives", {"case_fault": Fault.RESET_BEFORE}),
            ({"attempts": 1}, "test_a_scan_survives_with_each_object_once", {"case_fault": Fault.SLOW_DOWN}),
            ({"attempts": 1}, "test_a_delete_survives", {"case_fault": Fault.NO_ANSWER}),
            (
                {"knows_its_own": False},
                "test_a_claim_survives_and_finds_its_own_object_not_there_before",
                {"case_fault": Fault.LOST_ANSWER, "case_kind": "small"},
            ),
            ({"resumes": False}, "test_a_read_survives", {"case_fault": Fault.TRUNCATED_ANSWER}),
            (
                {"retries_refusals": True, "attempts": 20},
                "test_what_does_not_pass_is_refused_at_once_and_the_setting_is_named",
                {"case_fault": Fault.DENIED, "case_operation": "write", "secrets": [SECRET]},
            ),
            (
                {"says_secret": True},
                "test_what_does_not_pass_is_refused_at_once_and_the_setting_is_named",
                {"case_fault": Fault.DENIED, "case_operation": "write", "secrets": [SECRET]},
            ),
            (
                {"calls_nothing_there": True},
                "test_what_does_not_pass_is_refused_at_once_and_the_setting_is_named",
                {"case_fault": Fault.NO_BUCKET, "case_operation": "delete", "secrets": [SECRET]},
            ),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
    )
    def test_a_flaw_is_found(
        self, store: Endpoint, fault_proxy: FaultProxy, flaw: dict[str, Any], test: str, arguments: dict[str, Any]
    ) -> None:
        flawed = replace(HttpStorage(fault_proxy.endpoint), **flaw)
        with (
            closing(HttpStorage(store)) as storage,
            pytest.raises((AssertionError, BackendError, pytest.fail.Exception)),
        ):
            getattr(self, test)(storage=storage, remote=flawed, fault_proxy=fault_proxy, **arguments)

    @pytest.mark.parametrize(
        ("test", "arguments"),
        [
            ("test_a_large_write_that_gets_stuck_leaves_what_was_there", {"case_passed": 2, "case_key": "new"}),
            ("test_a_large_write_survives_in_each_of_its_requests", {"case_fault": Fault.LOST_ANSWER}),
            (
                "test_a_claim_survives_and_finds_its_own_object_not_there_before",
                {"case_fault": Fault.LOST_ANSWER, "case_kind": "large"},
            ),
        ],
    )
    def test_a_large_write_may_take_two_requests(
        self, store: Endpoint, fault_proxy: FaultProxy, test: str, arguments: dict[str, Any]
    ) -> None:
        renaming = HttpStorage(fault_proxy.endpoint, renames=True)
        getattr(self, test)(
            storage=HttpStorage(store, renames=True), remote=renaming, fault_proxy=fault_proxy, **arguments
        )
