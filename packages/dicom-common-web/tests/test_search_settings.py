"""QIDO-RS as settings and the policy make it: the number of matches, no match, and whose instances are found."""

from __future__ import annotations

from pathlib import Path

from live_server import TokenIsTenant, live_server
from made_instances import make_instance, study_uid

POLICY = {f"policy__{action}": {"roles": ["all"]} for action in ("store", "search", "retrieve", "delete")}


def test_2_8_the_server_has_a_limit(tmp_path: Path) -> None:
    with live_server(tmp_path, web__max_results=2) as server:
        server.store(*(make_instance(number) for number in range(1, 6)))
        response = server.client.get("/studies?limit=100")
        assert len(response.json()) == 2
        assert "There are 3 additional results" in response.headers["warning"]


def test_2_9_no_match_is_204_where_that_is_set(tmp_path: Path) -> None:
    with live_server(tmp_path, web__no_matches="204") as server:
        response = server.client.get("/studies")
        assert (response.status_code, response.content) == (204, b"")


def test_5_c_a_search_finds_what_the_caller_owns_alone(tmp_path: Path) -> None:
    with live_server(tmp_path, auth=TokenIsTenant(), **POLICY) as server:
        server.store(make_instance(1), tenant="tenant-a")
        server.store(make_instance(2), tenant="tenant-b")
        for tenant, study in (("tenant-a", 1), ("tenant-b", 2)):
            headers = {"authorization": f"Bearer {tenant}"}
            (one,) = server.client.get("/studies", headers=headers).json()
            assert one["0020000D"]["Value"] == [study_uid(study)]
            other = study_uid(3 - study)
            assert server.client.get(f"/studies?StudyInstanceUID={other}", headers=headers).json() == []
            assert server.client.get(f"/studies/{other}/series", headers=headers).json() == []
        assert server.client.get("/studies").status_code == 401
