"""What operators and browsers need: health, metrics, capabilities, CORS, request ids, records of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import make_instance, study_uid
from server_process import STUDIES, ServerProcess, multipart, until

from dicom_common.core import Logs, WebAccess
from dicom_common.testing import find_canary

VIEWER = "https://viewer.example"


@pytest.fixture
def with_tenants(tmp_path: Path) -> Iterator[LiveServer]:
    policy = {f"policy__{action}": {"roles": ["all"]} for action in ("store", "search", "retrieve")}
    with live_server(tmp_path / "data", auth=TokenIsTenant(), web__cors_origins=[VIEWER], **policy) as live:
        yield live


def test_it_is_alive_and_ready(process: ServerProcess) -> None:
    assert process.request("GET", "/healthz").body == b"ok\n"
    ready = process.request("GET", "/readyz")
    assert ready.status == 200
    assert json.loads(ready.body)["backends"] == {"storage": "ok", "db": "ok", "cache": "ok", "broker": "ok"}


def test_metrics_count_without_anything_of_a_request(process: ServerProcess) -> None:
    process.store(make_instance(300, PatientID="CANARY"))
    process.request("GET", f"{STUDIES}?PatientID=CANARY")
    shown = process.request("GET", "/metrics").body.decode()
    assert 'dicom_common_web_requests_total{endpoint="store",status="200"}' in shown
    assert 'dicom_common_web_stores_total{status="stored"}' in shown
    assert 'dicom_common_web_lane_requests{lane="store",state="waiting"} 0.0' in shown
    assert study_uid(300) not in shown
    assert find_canary(shown) is None


def test_8_9_capabilities_come_from_the_table(process: ServerProcess) -> None:
    wadl = process.request("OPTIONS", "/dicom-web/")
    assert wadl.headers["content-type"] == "application/vnd.sun.wadl+xml"
    assert b'<resource path="studies/{study}/series/{series}/instances/{instance}">' in wadl.body
    described = json.loads(process.request("OPTIONS", "/dicom-web", accept="application/json").body)["resources"]
    methods = {one["path"]: {method["name"] for method in one["methods"]} for one in described}
    assert methods["/studies"] == {"GET", "POST"}


@pytest.mark.parametrize("hosts", [(), ("localhost", "localhost"), ("localhost", "pacs.example")])
def test_rfc_9112_3_2_a_request_names_one_host(process: ServerProcess, hosts: tuple[str, ...]) -> None:
    lines = ["GET /healthz HTTP/1.1", *(f"Host: {one}" for one in hosts), "Connection: close", "", ""]
    with process.connect() as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_3_10_a_wrong_method_is_a_405_with_allow(process: ServerProcess) -> None:
    answer = process.request("PUT", STUDIES)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert process.request("HEAD", STUDIES).body == b""
    assert process.request("OPTIONS", STUDIES).headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_rfc_9110_9_3_7_options_of_the_server_as_a_whole(process: ServerProcess) -> None:
    answer = process.request("OPTIONS", "*")
    assert answer.status == 204
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"
    assert process.request("OPTIONS", "/nothing").status == 404
    assert process.request("GET", "*").status == 404


def test_9_7_every_answer_says_that_its_type_is_not_to_be_guessed(process: ServerProcess) -> None:
    for path, status in (("/nothing/<script>", 404), (STUDIES, 200), ("/dicom-web/studies/x/series", 400)):
        answer = process.request("GET", path)
        assert answer.status == status
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"].startswith("private")
        assert b"<script>" not in answer.body


def test_a_printable_request_id_is_kept_and_another_one_replaced(process: ServerProcess) -> None:
    assert process.request("GET", STUDIES, x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    for bad in ("x" * 65, "a b", ""):
        assert len(process.request("GET", STUDIES, x_request_id=bad).headers["x-request-id"]) == 36


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_without_an_authenticator_another_name_of_this_machine_is_refused(process: ServerProcess, host: str) -> None:
    assert process.request("GET", STUDIES, host=host).status == 403
    assert process.request("GET", STUDIES, host=f"localhost:{process.port}").status == 200
    assert process.request("GET", STUDIES, host=f"[::1]:{process.port}").status == 200


def test_a_page_of_another_site_changes_nothing(process: ServerProcess) -> None:
    assert process.store(make_instance(301), origin="https://evil.example").status == 403
    assert process.store(make_instance(301), origin=f"http://127.0.0.1:{process.port}").status == 200


def test_3_12_preflight_needs_no_token_and_there_is_never_an_asterisk(with_tenants: LiveServer) -> None:
    asked = {
        "origin": VIEWER,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = with_tenants.client.options("/studies", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == VIEWER
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    foreign = with_tenants.client.options("/studies", headers={**asked, "origin": "https://evil.example"})
    assert not [name for name in foreign.headers if name.startswith("access-control")]


def test_3_12_a_page_may_read_answers_and_errors(with_tenants: LiveServer) -> None:
    for token, status in (("tenant-a", 200), ("wrong", 401)):
        answer = with_tenants.client.get("/studies", headers={"origin": VIEWER, "authorization": f"Bearer {token}"})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == VIEWER
        assert "Origin" in answer.headers["vary"]
        assert "ETag" in answer.headers["access-control-expose-headers"]


def test_9_1_a_request_without_a_good_token_is_a_401_and_one_without_a_permission_a_403(
    with_tenants: LiveServer,
) -> None:
    body, content_type = multipart([make_instance(1)])
    refused = with_tenants.client.post("/studies", content=body, headers={"content-type": content_type})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    token = {"authorization": "Bearer tenant-a"}
    assert with_tenants.client.delete(f"/studies/{study_uid(1)}", headers=token).status_code == 403
    stored = with_tenants.client.post("/studies", content=body, headers={"content-type": content_type, **token})
    assert stored.status_code == 200
    other = {"authorization": "Bearer tenant-b"}
    assert with_tenants.client.get("/studies", headers=other).json() == []


def test_each_request_of_somebody_known_is_in_the_access_log_without_the_token(with_tenants: LiveServer) -> None:
    headers = {"authorization": "Bearer tenant-a", "x-request-id": "my-own", "cookie": "secret"}
    with_tenants.client.get("/studies", params={"PatientID": "X"}, headers=headers)
    with_tenants.client.get("/studies", headers={"authorization": "Bearer wrong"})
    db = with_tenants.services.db
    assert isinstance(db, Logs)
    until(lambda: bool(list(db.read_log(WebAccess, tenant="tenant-a"))))
    (record,) = db.read_log(WebAccess, tenant="tenant-a")
    assert (record.method, record.path, record.query) == ("GET", "/dicom-web/studies", "PatientID=X")
    assert (record.request_id, record.status, record.user) == ("my-own", 200, "user of tenant-a")
    assert not {"authorization", "cookie"} & {name.lower() for name in record.headers}


def test_a_request_without_a_host_is_malformed(process: ServerProcess) -> None:
    with process.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 400 ")
