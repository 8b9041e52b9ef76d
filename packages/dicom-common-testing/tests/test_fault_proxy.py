"""The proxy in front of a real HTTP server: what passes, and what each fault does to both sides."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

import pytest
import trustme
from fault_server import LARGE, Running

from dicom_common.testing import PERMANENT_FAULTS, RETRYABLE_FAULTS, Endpoint, Fault, FaultProxy
from dicom_common.testing._faults._http_relay import PIECE


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running()
    thread = threading.Thread(target=running.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.http.shutdown()
    thread.join()
    running.http.server_close()


@pytest.fixture
def proxy(server: Running) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint, style="s3") as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*proxy.endpoint, timeout=20)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    client.request(method, path, body)
    answer = client.getresponse()
    return answer.status, answer.read()


def raw(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(proxy.endpoint, timeout=20)


# What passes


def test_requests_and_answers_pass_unchanged_over_one_connection(
    server: Running, proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    client.connect()
    used = client.sock
    for size in (0, 1, PIECE, 3_000_001):
        data = LARGE[:size]
        assert ask(client, "PUT", f"/{size}", data) == (200, hashlib.sha256(data).hexdigest().encode())
        assert ask(client, "GET", f"/{size}") == (200, data)
        assert ask(client, "HEAD", f"/{size}") == (200, b"")
    assert ask(client, "GET", "/chunked") == (200, LARGE)
    assert ask(client, "GET", "/missing?x=%2F") == (404, b"nothing")
    assert client.sock is used
    assert set(server.hosts) == {str(proxy.endpoint)}  # what the client has sent, and may have signed
    assert proxy.requests == 14
    assert proxy.injected == {}


def test_a_body_in_chunks_passes(server: Running, client: http.client.HTTPConnection) -> None:
    client.request("PUT", "/chunks", iter([b"a" * 70_000, b"b", b"c" * 10]), encode_chunked=True)
    assert client.getresponse().read()
    assert server.kept["/chunks"] == b"a" * 70_000 + b"b" + b"c" * 10


def test_a_client_that_waits_for_100_continue_gets_it_from_the_server(server: Running, proxy: FaultProxy) -> None:
    with raw(proxy) as client, client.makefile("rb") as answers:
        client.sendall(b"PUT /waits HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert answers.readline() == b"\r\n"
        assert "/waits" not in server.kept
        client.sendall(b"body")
        assert b" 200 " in answers.readline()
        assert server.kept["/waits"] == b"body"


def test_a_made_up_answer_comes_instead_of_100_continue(server: Running, proxy: FaultProxy) -> None:
    proxy.inject(Fault.SLOW_DOWN)
    with raw(proxy) as client, client.makefile("rb") as answers:
        client.sendall(b"PUT /waits HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert b" 503 " in answers.readline()
        assert answers.read().endswith(b"</Error>")  # and then the connection is closed
    assert "/waits" not in server.kept


def test_a_body_passes_before_its_end_is_there() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(Endpoint(*listener.getsockname()[:2])) as proxy,
        raw(proxy) as client,
    ):
        client.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        seen, _ = listener.accept()
        with seen:
            seen.settimeout(20)
            got = b""
            while got.count(b"x") < 1000:
                got += seen.recv(4096)
            client.sendall(b"x" * 999_000)
            while got.count(b"x") < 1_000_000:
                got += seen.recv(1 << 20)
            seen.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"y" * 1000)
            answer = b""
            while answer.count(b"y") < 1000:
                answer += client.recv(4096)


def test_an_answer_before_the_end_of_the_body_arrives(client: http.client.HTTPConnection) -> None:
    assert ask(client, "PUT", "/refused", LARGE) == (403, b"refused before the body was read")


def test_a_redirection_to_the_server_leads_to_the_proxy(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    client.request("GET", "/moved")
    assert client.getresponse().headers["Location"] == f"http://{proxy.endpoint}/elsewhere"


def test_clients_may_talk_tls_to_the_proxy(server: Running) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with FaultProxy(server.endpoint, tls=context) as proxy:
        for trusted, fails in ((ssl.create_default_context(), True), (trusting, False)):
            client = http.client.HTTPSConnection(*proxy.endpoint, timeout=20, context=trusted)
            if fails:
                with pytest.raises(ssl.SSLCertVerificationError):
                    client.connect()
                continue
            assert ask(client, "GET", "/large") == (200, LARGE)
            proxy.inject(Fault.RESET_IN_ANSWER)
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(client, "GET", "/large")
            client.close()


def test_a_server_that_is_not_there_is_a_reset_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = Endpoint(*listener.getsockname()[:2])
    with FaultProxy(gone) as proxy, pytest.raises(ConnectionError):
        ask(http.client.HTTPConnection(*proxy.endpoint, timeout=20), "GET", "/")


# What each fault does


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/new"), ("GET", "/large"), ("HEAD", "/small"), ("GET", "/chunked")]
)
@pytest.mark.parametrize(
    "fault",
    [*(f for f in RETRYABLE_FAULTS if f.name.startswith(("RESET", "LOST", "TRUNC")))],
)
def test_a_broken_connection_breaks_one_request_and_not_the_next(
    proxy: FaultProxy, client: http.client.HTTPConnection, fault: Fault, method: str, path: str
) -> None:
    proxy.inject(fault)
    body = LARGE if method == "PUT" else None
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(client, method, path, body)
    client.close()
    assert proxy.injected == {fault: 1}
    assert ask(client, method, path, body)[0] == 200


def test_what_the_server_saw_is_what_the_fault_says(
    server: Running, proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    for fault in (Fault.RESET_BEFORE, Fault.RESET_IN_REQUEST, Fault.LOST_ANSWER, Fault.RESET_IN_ANSWER):
        proxy.inject(fault)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(client, "PUT", f"/{fault}", LARGE)
        client.close()
    ask(client, "GET", "/small")
    for _ in range(6000):
        if server.cut:
            break
        threading.Event().wait(0.01)
    assert server.cut[0] == "/reset-in-request"
    assert [path for path in server.kept if path.count("-")] == ["/lost-answer", "/reset-in-answer"]
    assert server.kept["/lost-answer"] == LARGE


def test_a_truncated_answer_ends_in_good_order_within_its_length(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    proxy.inject(Fault.TRUNCATED_ANSWER)
    client.request("GET", "/large")
    answer = client.getresponse()
    assert answer.headers["Content-Length"] == str(len(LARGE))
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert caught.value.partial == LARGE[: len(LARGE) // 2]


def test_a_swallowed_request_is_never_answered(server: Running, proxy: FaultProxy) -> None:
    proxy.inject(Fault.NO_ANSWER)
    client = http.client.HTTPConnection(*proxy.endpoint, timeout=0.3)
    with pytest.raises(TimeoutError):
        ask(client, "PUT", "/swallowed", b"x")
    client.close()
    assert "/swallowed" not in server.kept


@pytest.mark.parametrize("style", ["s3", "gcs", "azure", "plain"])
def test_errors_are_told_in_the_words_of_the_store(server: Running, style: str) -> None:
    expected = {
        "s3": {429: "TooManyRequests", 503: "SlowDown", 404: "NoSuchBucket"},
        "gcs": {429: "rateLimitExceeded", 503: "backendError", 404: "notFound"},
        "azure": {429: "TooManyRequests", 503: "ServerBusy", 404: "ContainerNotFound"},
        "plain": {429: "TooManyRequests", 503: "SlowDown", 404: "NoSuchBucket"},
    }[style]
    with FaultProxy(server.endpoint, style=style) as proxy:  # type: ignore[arg-type]  # the literals, as a parameter
        proxy.retry_after = 2
        client = http.client.HTTPConnection(*proxy.endpoint, timeout=20)
        for fault in (Fault.THROTTLED, Fault.SLOW_DOWN, Fault.NO_BUCKET):
            proxy.inject(fault, times=2)
            client.request("PUT", "/new", LARGE)
            answer = client.getresponse()
            assert answer.headers["Retry-After"] == (None if fault is Fault.NO_BUCKET else "2")
            text = answer.read()
            if style == "gcs":
                code = json.loads(text)["error"]["errors"][0]["reason"]
            elif style == "plain":
                code = text.decode().partition(":")[0]
            else:
                code = ET.fromstring(text).findtext("Code")
            assert code == expected[answer.status]
            assert ask(client, "HEAD", "/small") == (answer.status, b"")  # over the same connection
        assert ask(client, "GET", "/small") == (200, b"small")
        client.close()
    assert "/new" not in server.kept


def test_every_fault_is_retryable_or_permanent_but_the_wrong_date(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    assert {*RETRYABLE_FAULTS, *PERMANENT_FAULTS, Fault.WRONG_DATE} == set(Fault)
    proxy.inject(Fault.WRONG_DATE)
    client.request("GET", "/small")
    answer = client.getresponse()
    assert answer.read() == b"small"
    given = parsedate_to_datetime(answer.headers["Date"])
    assert abs(datetime.now(UTC) - timedelta(hours=1) - given) < timedelta(minutes=10)


# Which request it is


def test_a_rule_chooses_by_method_and_target_and_number(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    proxy.inject(Fault.INTERNAL_ERROR, method="GET", target=r"\?part=\d", skip=1, times=2)
    paths = ["/small", "/small?part=1", "/small", "/small?part=2", "/small?part=3", "/small?part=4"]
    assert [ask(client, "GET", path)[0] for path in paths] == [200, 404, 200, 500, 500, 404]
    proxy.inject(Fault.DENIED, times=None)
    assert [ask(client, "GET", "/small")[0] for _ in range(5)] == [403] * 5
    proxy.clear()
    assert ask(client, "GET", "/small")[0] == 200
    assert proxy.injected == {Fault.INTERNAL_ERROR: 2, Fault.DENIED: 5}
    proxy.reset_counts()
    assert (proxy.requests, proxy.injected) == (0, {})
    with pytest.raises(ValueError, match="at least one"):
        proxy.inject()


def test_chance_is_the_same_with_the_same_seed(server: Running) -> None:
    def statuses(seed: int) -> list[int]:
        with FaultProxy(server.endpoint, seed=seed) as proxy:
            proxy.inject(Fault.THROTTLED, Fault.SLOW_DOWN, Fault.INTERNAL_ERROR, times=None, rate=0.3)
            client = http.client.HTTPConnection(*proxy.endpoint, timeout=20)
            found = [ask(client, "GET", "/small")[0] for _ in range(200)]
            client.close()
            assert sum(proxy.injected.values()) == sum(status != 200 for status in found)
            return found

    first = statuses(1)
    assert set(first) == {200, 429, 503, 500}
    assert 30 < len(first) - first.count(200) < 90
    assert statuses(1) == first
    assert statuses(2) != first


def test_latency_is_waited_for_by_all_at_once(proxy: FaultProxy) -> None:
    proxy.latency = 3  # all of them have come by then

    def get(_: int) -> int:
        client = http.client.HTTPConnection(*proxy.endpoint, timeout=20)
        try:
            return ask(client, "GET", "/small")[0]
        finally:
            client.close()

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(get, range(16))) == [200] * 16
    assert proxy.peak_in_flight > 8


def test_closing_the_proxy_cuts_its_connections(proxy: FaultProxy, client: http.client.HTTPConnection) -> None:
    assert ask(client, "GET", "/small")[0] == 200
    proxy.close()
    proxy.close()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(client, "GET", "/small")
