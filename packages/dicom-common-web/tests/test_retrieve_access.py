"""Who may retrieve what: the answers to callers of another tenant, and to those without a permission."""

from __future__ import annotations

from pathlib import Path

from live_server import TokenIsTenant, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid

POLICY = {f"policy__{action}": {"roles": ["all"]} for action in ("store", "search", "retrieve", "delete")}
STUDY = f"/studies/{study_uid()}"
SERIES = f"{STUDY}/series/{series_uid()}"
INSTANCE = f"{SERIES}/instances/{instance_uid()}"
PATHS = (
    STUDY,
    SERIES,
    INSTANCE,
    f"{STUDY}/metadata",
    f"{SERIES}/metadata",
    f"{INSTANCE}/metadata",
    f"{INSTANCE}/frames/1",
    f"{INSTANCE}/bulkdata/7FE00010",
    f"{STUDY}{INSTANCE}/bulkdata/7FE00010",
    f"{STUDY}/bulkdata",
    f"{INSTANCE}/pixeldata",
)


def test_5_c_what_another_tenant_owns_is_like_what_nobody_owns(tmp_path: Path) -> None:
    pixels = grey(2, 2, PixelData=bytes(4))
    with live_server(tmp_path, auth=TokenIsTenant(), **POLICY) as server:
        server.store(make_instance(**pixels), tenant="tenant-b")
        mine, foreign = {"authorization": "Bearer tenant-b"}, {"authorization": "Bearer tenant-a"}
        for path in PATHS:
            assert server.client.get(path).status_code == 401
            refused = server.client.get(path, headers=foreign)
            unknown = server.client.get(path.replace(study_uid(), "1.2.3"), headers=foreign)
            assert refused.status_code == unknown.status_code == 404
            assert refused.json() == unknown.json()
            assert server.client.get(path, headers=mine).status_code == 200
        for path in (INSTANCE, SERIES, STUDY):
            assert server.client.delete(path, headers=foreign).status_code == 404
        assert server.client.get(STUDY, headers=mine).status_code == 200


def test_9_1_each_action_needs_its_permission(tmp_path: Path) -> None:
    policy = {"policy__search": {"roles": ["all"]}}
    with live_server(tmp_path, auth=TokenIsTenant(), **policy) as server:
        server.store(make_instance(), tenant="tenant-a")
        headers = {"authorization": "Bearer tenant-a"}
        assert server.client.get("/studies", headers=headers).status_code == 200
        for path in PATHS:
            assert server.client.get(path, headers=headers).status_code == 403
        assert server.client.delete(STUDY, headers=headers).status_code == 403
