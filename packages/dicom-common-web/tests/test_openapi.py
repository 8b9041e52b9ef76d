"""The description of the service, and what programs make of it: requests that nobody would think of."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from server_process import ServerProcess

from dicom_common.web._app import ENDPOINTS

EXAMPLES = max(3, int(os.environ.get("DICOM_COMMON_TEST_REQUESTS", "0")) // 40)
"""Requests of each operation, right ones and wrong ones; there are some forty operations."""
STUDY = 500
THERE = {
    "study": study_uid(STUDY),
    "series": series_uid(STUDY),
    "instance": instance_uid(STUDY),
    "frames": "1",
    "path": "7FE00010",
}
_LIMIT = 20.0
_MOST_GROWTH = 100 * 1024 * 1024


def described(server: LiveServer) -> dict[str, Any]:
    answer = server.client.get(server.url.removesuffix("/dicom-web") + "/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


def test_every_endpoint_is_described(server: LiveServer) -> None:
    document = described(server)
    operations = {(path, method) for path, methods in document["paths"].items() for method in methods}
    expected = {(one.path if one.beside else f"/dicom-web{one.path}", one.method.lower()) for one in ENDPOINTS}
    assert operations == expected | {("/wado", "get")}
    (place,) = document["servers"]
    assert f"{place['url']}/dicom-web" == server.url
    names = [one["name"] for one in document["paths"]["/dicom-web/studies"]["get"]["parameters"]]
    assert {"PatientID", "ModalitiesInStudy", "limit", "includefield"} <= set(names)
    assert len(names) == len(set(names))
    assert "security" not in document["paths"]["/dicom-web/studies"]["get"]


def test_it_needs_no_token_and_says_what_does(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", auth=TokenIsTenant()) as server:
        document = described(server)
    assert document["paths"]["/dicom-web/studies"]["post"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_behind_a_proxy_only_what_has_a_known_address_is_described(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", public_url="https://pacs.example/imaging") as server:
        document = described(server)
    assert document["servers"] == [{"url": "https://pacs.example/imaging"}]
    assert "/studies" in document["paths"]
    assert "/wado" not in document["paths"]


@schemathesis.serializer("multipart/related", "application/dicom")
def _as_it_is(_context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


def operations(process: ServerProcess) -> Iterator[Any]:
    document = json.loads(process.request("GET", "/openapi.json").body)
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result
        yield result.ok()


@pytest.mark.slow
def test_no_request_that_the_description_leads_to_is_a_5xx_or_hangs(process: ServerProcess) -> None:
    process.store(make_instance(STUDY, **grey(4, 4, PixelData=bytes(16), PatientName="Made^Up")))
    statuses = Counter[int]()
    before = process.memory()
    for operation in operations(process):
        strategies = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @given(case=st.one_of(strategies), there=st.booleans())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, there: bool) -> None:
            if there and case.method != "DELETE":
                named = {
                    name: THERE.get(name.removeprefix("outer_"), value) for name, value in case.path_parameters.items()
                }
                case.path_parameters.update(named)
            response = case.call(base_url=f"http://127.0.0.1:{process.port}", timeout=_LIMIT)
            statuses[response.status_code] += 1
            case.validate_response(response, checks=[not_a_server_error])

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ask()
    assert {200, 400, 404} <= set(statuses), statuses
    assert process.memory() - before < _MOST_GROWTH
