"""What operators and browsers need: health, metrics, capabilities, CORS, request ids, records of requests."""

from __future__ import annotations

import json

from server_process import ServerProcess


def test_it_is_alive_and_ready(process: ServerProcess) -> None:
    assert process.request("GET", "/healthz").body == b"ok\n"
    ready = process.request("GET", "/readyz")
    assert ready.status == 200
    assert json.loads(ready.body)["backends"] == {"storage": "ok", "db": "ok", "cache": "ok", "broker": "ok"}
