"""What an error of a search tells, and what it keeps to itself (9.7)."""

from __future__ import annotations

import pytest
from live_server import LiveServer


@pytest.mark.parametrize("key", ["<script>", "canary", "PatientID.canary", "canary.PatientID", "x" * 200 + "canary"])
def test_9_7_an_error_does_not_have_what_the_client_sent(server: LiveServer, key: str) -> None:
    response = server.client.get("/studies", params=[(key, "canary"), ("PatientID", "canary")])
    assert response.status_code == 400
    assert "A parameter of the query" in response.json()["detail"]
    assert "canary" not in response.text
    assert "script" not in response.text


def test_an_error_names_the_attribute_that_was_perhaps_meant(server: LiveServer) -> None:
    detail = server.client.get("/studies?PatientsID=1").json()["detail"]
    assert "Did you mean 'PatientID'?" in detail
    assert "PatientsID" not in detail
