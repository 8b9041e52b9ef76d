"""Instances that are removed while they are retrieved, and objects that the storage has lost."""

from __future__ import annotations

import http.client
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from live_server import LiveServer
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from server_process import server_process

PIXELS = grey(4, 8, PixelData=bytes(range(32)))
STUDY = f"/studies/{study_uid()}"
INSTANCE = f"{STUDY}/series/{series_uid()}/instances/{instance_uid()}"
FROM_THE_OBJECT = (
    STUDY,
    INSTANCE,
    f"{INSTANCE}/frames/1",
    f"{INSTANCE}/bulkdata",
    f"{INSTANCE}/bulkdata/00420011",
    f"{INSTANCE}/pixeldata",
    f"{INSTANCE}/rendered",
    f"{STUDY}/rendered",
    f"{INSTANCE}/thumbnail",
)


@pytest.mark.parametrize("path", FROM_THE_OBJECT)
def test_an_object_that_is_lost_is_an_error_of_the_server_and_in_its_log(
    server: LiveServer, tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.store(make_instance(**PIXELS, EncapsulatedDocument=bytes(5000)))
    assert server.client.get(path).status_code == 200
    (file,) = tmp_path.rglob(f"{instance_uid()}.dcm")
    file.unlink()
    with caplog.at_level(logging.ERROR, "dicom_common.web"):
        response = server.client.get(path)
    assert response.status_code == 500
    assert "lost" in response.json()["detail"]
    assert "does not have the object" in caplog.text
    assert server.client.get(f"{INSTANCE}/metadata").status_code == 200


def test_a_removal_that_overtakes_a_retrieval_is_no_error_of_the_server(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(4) as threads, caplog.at_level(logging.ERROR, "dicom_common.web"):
        for path in FROM_THE_OBJECT * 3:
            server.store(make_instance(**PIXELS, EncapsulatedDocument=bytes(5000)), make_instance(instance=2))
            answers = [threads.submit(_status, server, path) for _ in range(3)]
            assert server.client.delete(INSTANCE).status_code == 204
            assert {one.result() for one in answers} <= {200, 404, 503, None}
    # An answer that had begun is broken off, which is an error to uvicorn.
    assert [one.getMessage() for one in caplog.records if one.name.startswith("dicom_common")] == []


def _status(server: LiveServer, path: str) -> int | None:
    """Retrieve; None: the server broke the connection, because it had begun to send what is removed."""
    try:
        return server.client.get(path).status_code
    except httpx.RemoteProtocolError:
        return None


def test_rfc_9110_13_1_1_a_condition_that_nothing_can_meet_deletes_nothing(server: LiveServer) -> None:
    server.store(make_instance())
    etag = server.client.get(f"{INSTANCE}/metadata").headers["etag"]
    for given in ('"x"', etag, ""):
        assert server.client.delete(INSTANCE, headers={"if-match": given}).status_code == 412
    assert server.client.delete("/studies/1.2.3", headers={"if-match": '"x"'}).status_code == 404
    assert server.client.delete(INSTANCE, headers={"if-match": "*"}).status_code == 204


def test_an_answer_that_breaks_off_is_one_line_of_the_log(tmp_path: Path) -> None:
    """The second part is lost when the first is on its way: the client must not take a part for the whole."""
    large = make_instance(EncapsulatedDocument=bytes(30 << 20))
    with server_process(tmp_path / "data", expected="an answer broke off") as running:
        assert running.store(large, make_instance(instance=2)).status == 200
        (file,) = tmp_path.rglob(f"{instance_uid(instance=2)}.dcm")
        file.unlink()
        with pytest.raises(http.client.IncompleteRead):
            running.request("GET", f"/dicom-web{STUDY}")
        assert running.request("GET", "/healthz").status == 200
    told = [line for line in running.said if "broke off" in line]
    assert len(told) == 1
    assert "does not have the object" in told[0]
    assert not any("Traceback" in line or "Exception in ASGI" in line for line in running.said)


def test_an_answer_whose_instances_are_removed_meanwhile_has_no_end(tmp_path: Path) -> None:
    """What is left of the study is not the study that was asked for."""
    large = make_instance(EncapsulatedDocument=bytes(30 << 20))
    with server_process(tmp_path / "data", expected="an answer broke off") as running:
        assert running.store(large, make_instance(instance=2)).status == 200
        with running.connect() as connection:
            request = f"GET /dicom-web{STUDY} HTTP/1.1\r\nHost: localhost\r\nAccept: multipart/related\r\n\r\n"
            connection.sendall(request.encode())
            received = connection.recv(1000)
            assert received.startswith(b"HTTP/1.1 200 ")
            second = INSTANCE.replace(instance_uid(), instance_uid(instance=2))
            assert running.request("DELETE", f"/dicom-web{second}").status == 204
            with suppress(ConnectionResetError):
                while piece := connection.recv(1 << 20):
                    received = received[-100:] + piece
        assert not received.endswith(b"0\r\n\r\n")
        assert b"--\r\n" not in received[-100:]
