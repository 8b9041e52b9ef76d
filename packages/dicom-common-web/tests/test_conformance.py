"""The DICOMweb part of the conformance statement says what the running server does."""

from __future__ import annotations

import json

import pytest
from live_server import LiveServer
from made_instances import make_instance, study_uid
from server_process import multipart

from dicom_common.dicom import TRANSFER_SYNTAXES
from dicom_common.host import Config
from dicom_common.toolkit import StatementSection
from dicom_common.web._conformance import STATUSES, conformance

_NAMES = {one.uid: one.name for one in TRANSFER_SYNTAXES.values()}
_EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def section() -> StatementSection:
    return conformance(Config.load(variables={}))


def _rows(section: StatementSection, title: str) -> tuple[tuple[str, ...], ...]:
    (table,) = (one for one in section.tables if one.title.startswith(title))
    return table.rows


def test_the_resources_are_those_of_the_capabilities(server: LiveServer, section: StatementSection) -> None:
    told = json.loads(server.client.options("/", headers={"accept": "application/json"}).content)
    asked = {(method["name"], f"/dicom-web{one['path']}") for one in told["resources"] for method in one["methods"]}
    stated = {(method, path) for method, path, _ in _rows(section, "Resources")}
    assert asked <= stated
    assert {path for _, path in stated - asked} == {"/healthz", "/readyz", "/metrics", "/wado"}


def test_every_media_type_can_be_had_and_another_cannot(server: LiveServer, section: StatementSection) -> None:
    server.store(make_instance(1))
    paths = {"QIDO-RS": "/studies", "WADO-RS, metadata": f"/studies/{study_uid(1)}/metadata"}
    types = {name: types.split(", ") for name, types in _rows(section, "Media types")}
    for name, path in paths.items():
        for media_type in types[name]:
            answer = server.client.get(path, headers={"accept": media_type})
            wanted = media_type.partition(";")[0]
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, wanted)
        assert server.client.get(path, headers={"accept": "text/csv"}).status_code == 406


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_the_default_transfer_syntax_is_the_stated_one(server: LiveServer, section: StatementSection, uid: str) -> None:
    server.store(make_instance(2, transfer_syntax_uid=uid) if uid != _EXPLICIT else make_instance(2))
    stated = {stored: default for stored, default, _ in _rows(section, "Transfer syntaxes")}
    answer = server.client.get(f"/studies/{study_uid(2)}")
    assert answer.status_code == 200
    assert stated[_NAMES[uid]] == _NAMES[_EXPLICIT]
    assert f"transfer-syntax={_EXPLICIT}".encode() in answer.content


def test_statuses_are_those_of_the_server(server: LiveServer) -> None:
    client = server.client
    good, content_type = multipart([make_instance(3)])
    mixed, mixed_type = multipart([make_instance(4), b"no DICOM"])
    bad, bad_type = multipart([b"no DICOM"])
    seen = {
        ("STOW-RS", client.post("/studies", content=good, headers={"content-type": content_type}).status_code),
        ("STOW-RS", client.post("/studies", content=mixed, headers={"content-type": mixed_type}).status_code),
        ("STOW-RS", client.post("/studies", content=bad, headers={"content-type": bad_type}).status_code),
        ("STOW-RS", client.post("/studies", content=b"x", headers={"content-type": "text/csv"}).status_code),
        ("STOW-RS", client.post("/studies/1.2.9", content=good, headers={"content-type": content_type}).status_code),
        ("QIDO-RS", client.get("/studies").status_code),
        ("QIDO-RS", client.get("/studies?PatientNam=x").status_code),
        ("WADO-RS", client.get(f"/studies/{study_uid(3)}").status_code),
        ("WADO-RS", client.get("/studies/1.2.99").status_code),
        ("WADO-RS", client.get("/studies/1..2").status_code),
        ("DELETE", client.delete(f"/studies/{study_uid(3)}").status_code),
        ("WADO-URI", client.get(f"{server.url.removesuffix('/dicom-web')}/wado?requestType=X").status_code),
        ("All", client.put("/studies").status_code),
        ("All", client.request("LINK", "/studies").status_code),
        ("All", client.get("/studies", headers={"accept": "text/csv"}).status_code),
    }
    assert seen == {
        *(("STOW-RS", code) for code in (200, 202, 400, 409, 415)),
        *(("QIDO-RS", code) for code in (200, 400)),
        *(("WADO-RS", code) for code in (200, 400, 404)),
        ("DELETE", 204),
        ("WADO-URI", 400),
        *(("All", code) for code in (405, 406, 501)),
    }
    assert seen <= {(service, code) for service, code, _ in STATUSES}


def test_every_limit_of_the_settings_is_stated(section: StatementSection) -> None:
    stated = {name for name, _ in _rows(section, "Limits")}
    assert {"max_parts", "max_results", "max_request_bytes", "receive_seconds", "stores"} <= stated
    assert "port" not in stated
