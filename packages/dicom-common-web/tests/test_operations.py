"""What operators and browsers need: health, metrics, capabilities, CORS, request ids, records of requests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import make_instance, study_uid
from server_process import STUDIES, ServerProcess, multipart

from dicom_common.core import AccessLogQuery, Logs
from dicom_common.testing import CANARIES


def test_it_is_alive_and_ready(process: ServerProcess) -> None:
    assert process.request("GET", "/healthz").body == b"ok\n"
    ready = process.request("GET", "/readyz")
    assert ready.status == 200
    assert json.loads(ready.body)["backends"] == {"storage": "ok", "db": "ok", "cache": "ok", "broker": "ok"}
