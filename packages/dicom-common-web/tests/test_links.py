"""Signed links: they show one study for a while, and nothing else, to whoever has them."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from PIL import Image
from server_process import COMMAND, multipart, until

from dicom_common.core import Logs, Secret, WebAccess
from dicom_common.crypto import Capabilities, SigningKey

KEY = base64.b64encode(os.urandom(32)).decode()
OTHER_KEY = base64.b64encode(os.urandom(32)).decode()
LINKS = {"web__links": {"keys": [{"id": "k1", "key": KEY, "active": True}]}}
POLICY = {f"policy__{action}": {"roles": ["all"]} for action in ("store", "search", "retrieve", "delete")}
STUDY, SERIES, INSTANCE = study_uid(), series_uid(), instance_uid()
PATH = f"/studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}"


def sign(study: str = STUDY, series: str = "", *, tenant: str = "tenant-a", key: str = KEY, **when: Any) -> str:
    seconds = when.pop("seconds", 600)
    return Capabilities([SigningKey(id="k1", key=Secret(key), active=True)], **when).sign(
        tenant, study, series, seconds=seconds
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data", auth=TokenIsTenant(), **LINKS, **POLICY) as live:
        pixels = grey(4, 8, PixelData=bytes(range(32)))
        assert {
            one.status
            for one in live.store(
                make_instance(1, **pixels), make_instance(1, 2, 1), make_instance(2), tenant="tenant-a"
            )
        } == {"stored"}
        live.store(make_instance(3), tenant="tenant-b")
        yield live


def status(server: LiveServer, link: str, path: str, method: str = "GET") -> int:
    return server.client.request(method, f"/links/{link}{path}").status_code


def test_a_link_shows_its_study_as_a_service_root_of_its_own(server: LiveServer) -> None:
    link = sign()
    root = f"{server.url}/links/{link}"
    assert server.client.get(f"/studies/{STUDY}/metadata").status_code == 401
    with httpx.Client(base_url=root, timeout=60) as viewer:
        found = viewer.get(f"/studies/{STUDY}/series").json()
        assert len(found) == 2
        assert found[0]["00081190"]["Value"] == [f"{root}/studies/{STUDY}/series/{found[0]['0020000E']['Value'][0]}"]
        for place in (f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}", PATH):
            metadata = viewer.get(f"{place}/metadata")
            (uri,) = [one["7FE00010"]["BulkDataURI"] for one in metadata.json() if "7FE00010" in one]
            for base in (f"{root}/", str(metadata.url)):
                resolved = urljoin(base, uri)
                assert resolved.startswith(root)
                assert httpx.get(resolved, timeout=60, headers={"accept": "application/octet-stream"}).content == bytes(
                    range(32)
                )
        frame = viewer.get(f"{PATH}/frames/1", headers={"accept": "application/octet-stream"})
        assert frame.content == bytes(range(32))
        assert frame.headers["referrer-policy"] == "no-referrer"
        assert Image.open(io.BytesIO(viewer.get(f"{PATH}/rendered").content)).size == (8, 4)
        whole = viewer.get(f"/studies/{STUDY}")
        assert whole.status_code == 200
        assert f"Content-Location: {root}{PATH}".encode() in whole.content


def test_with_a_public_url_all_stays_below_the_link(tmp_path: Path) -> None:
    url = "https://pacs.example/dicom-web"
    with live_server(tmp_path / "data", auth=TokenIsTenant(), public_url=url, **LINKS, **POLICY) as live:
        live.store(make_instance(1, **grey(4, 8, PixelData=bytes(32))), tenant="tenant-a")
        link = sign()
        for path in (f"/studies/{STUDY}/metadata", f"{PATH}/metadata"):
            for _ in range(2):
                shown = live.client.get(f"/links/{link}{path}").json()[0]["7FE00010"]["BulkDataURI"]
                assert not shown.startswith("http")
            own = live.client.get(path, headers={"authorization": "Bearer tenant-a"}).json()[0]
            assert own["7FE00010"]["BulkDataURI"].startswith(f"{url}/studies/")
        found = live.client.get(f"/links/{link}/studies/{STUDY}/series").json()
        assert found[0]["00081190"]["Value"][0].startswith(f"{url}/links/{link}/studies/")


def test_other_studies_series_and_tenants_are_like_what_is_not_there(server: LiveServer) -> None:
    link, narrow = sign(), sign(STUDY, SERIES)
    for path in (
        f"/studies/{study_uid(2)}/metadata",
        "/studies",
        "/series",
        "/instances",
        f"/studies/{STUDY}x/metadata",
    ):
        assert status(server, link, path) == 404, path
    # Viewers begin with a search for the study.
    assert status(server, link, f"/studies?StudyInstanceUID={STUDY}") == 200
    assert status(server, link, f"/series?0020000D={STUDY}&limit=1") == 200
    for query in (
        f"StudyInstanceUID={study_uid(2)}",
        f"StudyInstanceUID={STUDY},{study_uid(2)}",
        f"StudyInstanceUID={STUDY}\\{study_uid(2)}",
        f"StudyInstanceUID={STUDY}&0020000D={study_uid(2)}",
        "StudyInstanceUID=*",
        "StudyInstanceUID=",
    ):
        assert status(server, link, f"/studies?{query}") == 404, query
    assert status(server, narrow, f"/studies?StudyInstanceUID={STUDY}") == 404
    assert status(server, link, f"/studies/{STUDY}/series?StudyInstanceUID={study_uid(2)}") == 400
    assert status(server, narrow, f"/studies/{STUDY}/series/{SERIES}/metadata") == 200
    assert status(server, narrow, f"/studies/{STUDY}/series/{series_uid(1, 2)}/metadata") == 404
    assert status(server, narrow, f"/studies/{STUDY}/metadata") == 404
    foreign = sign(study_uid(3))
    assert status(server, foreign, f"/studies/{study_uid(3)}/metadata") == 404
    assert status(server, sign(study_uid(3), tenant="tenant-b"), f"/studies/{study_uid(3)}/metadata") == 200
    outer = f"/studies/{study_uid(2)}{PATH}/bulkdata/7FE00010"
    assert status(server, link, outer) == 404


def test_a_link_does_not_tell_how_much_else_there_is(server: LiveServer) -> None:
    link, narrow = sign(), sign(STUDY, SERIES)
    patient, study = {"00201200", "00201202", "00201204"}, {"00080061", "00080062", "00201206", "00201208"}
    found = server.client.get("/studies?includefield=all", headers={"authorization": "Bearer tenant-a"}).json()[0]
    assert found.keys() >= patient | study
    for fields in ("all", ",".join(patient | study)):
        query = f"includefield={fields}"
        (shown,) = server.client.get(f"/links/{link}/studies?StudyInstanceUID={STUDY}&{query}").json()
        assert shown.keys() & (patient | study) == study
        shown = server.client.get(f"/links/{narrow}/studies/{STUDY}/series/{SERIES}/instances?{query}").json()[0]
        assert not shown.keys() & (patient | study)
    keys = "ModalitiesInStudy=MR"
    assert status(server, link, f"/studies/{STUDY}/series?{keys}") == 200
    assert status(server, narrow, f"/studies/{STUDY}/series/{SERIES}/instances?{keys}") == 400


def test_a_path_out_of_the_link_leads_nowhere(server: LiveServer) -> None:
    link = sign()
    for rest in ("/../studies", "/..%2fstudies", f"/%2e%2e/{STUDY}", "//studies", "/../../metrics", "/../../healthz"):
        raw = httpx.URL(f"{server.url}/links/{link}").copy_with(raw_path=f"/dicom-web/links/{link}{rest}".encode())
        assert httpx.get(raw, timeout=60).status_code in (400, 401, 404), rest
    # A link within a link is the first one.
    other = sign(study_uid(2))
    assert status(server, link, f"/links/{other}/studies/{study_uid(2)}/metadata") == 404
    assert status(server, link, f"/links/{other}/studies/{STUDY}/metadata") in (200, 404)


def test_a_link_changes_nothing(server: LiveServer) -> None:
    link = sign()
    assert status(server, link, f"/studies/{STUDY}", "DELETE") == 403
    body, content_type = multipart([make_instance(1, 1, 5)])
    for path in ("/studies", f"/studies/{STUDY}"):
        answer = server.client.post(f"/links/{link}{path}", content=body, headers={"content-type": content_type})
        assert answer.status_code == 403
    assert server.client.get("/studies", headers={"authorization": f"Bearer {link}"}).status_code == 401


def test_what_was_changed_or_has_expired_is_a_401_without_a_part_of_it(server: LiveServer) -> None:
    link = sign()
    path = f"/studies/{STUDY}/metadata"
    assert status(server, link, path) == 200
    words = link.split(".")
    changed = [
        ".".join([*words[:number], f"{word[:-1]}{'A' if word[-1:] != 'A' else 'B'}", *words[number + 1 :]])
        for number, word in enumerate(words)
    ]
    elsewhere = ".".join([*words[:3], sign(study_uid(2)).split(".")[3], *words[4:]])
    for bad in (*changed, elsewhere, link[:-3], link + "x", "x", "..", sign(key=OTHER_KEY)):
        answer = server.client.get(f"/links/{bad}{path}")
        assert answer.status_code in (401, 404), bad
        assert len(bad) < 9 or bad not in answer.text
    expired = sign(clock=lambda: time.time() - 120, seconds=60)
    assert status(server, expired, path) == 401
    short = sign(seconds=5)
    assert status(server, short, path) == 200
    until(lambda: status(server, short, path) == 401)


def test_no_record_has_the_link(server: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    link = sign()
    referer = {"referer": f"{server.url}/links/{link}/studies", "x-request-id": "by-link"}
    assert server.client.get(f"/links/{link}/studies/{STUDY}/series", headers=referer).status_code == 200
    db = server.services.db
    assert isinstance(db, Logs)
    until(lambda: bool(list(db.read_log(WebAccess, tenant="tenant-a"))))
    (record,) = db.read_log(WebAccess, tenant="tenant-a")
    assert (record.path, record.user, record.request_id) == (f"/dicom-web/studies/{STUDY}/series", "link", "by-link")
    assert link not in repr(record)
    assert link not in caplog.text
    assert link not in server.client.get(server.url.removesuffix("/dicom-web") + "/metrics").text


def test_without_keys_there_are_no_links(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", auth=TokenIsTenant(), **POLICY) as live:
        live.store(make_instance(1), tenant="tenant-a")
        assert status(live, sign(), f"/studies/{STUDY}/metadata") == 404


def test_the_viewer_of_a_link_begins_with_its_study_and_asks_below_the_link(tmp_path: Path) -> None:
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer" / "index.html").write_text("<title>viewer</title>")
    overrides: dict[str, Any] = {**LINKS, **POLICY, "web__viewer": str(tmp_path / "viewer")}
    with live_server(tmp_path / "data", auth=TokenIsTenant(), **overrides) as live:
        live.store(make_instance(1), tenant="tenant-a")
        link = sign()
        assert status(live, link, f"/studies/{STUDY}/metadata") == 200
        viewer = live.url.removesuffix("/dicom-web") + "/ohif"
        begun = httpx.get(f"{viewer}/links/{link}", timeout=60)
        assert (begun.status_code, httpx.get(f"{viewer}/links/{link}/", timeout=60).headers["location"]) == (
            302,
            f"/ohif/links/{link}/viewer?StudyInstanceUIDs={STUDY}",
        )
        page = httpx.get(urljoin(viewer, begun.headers["location"]), timeout=60)
        assert (page.status_code, page.text) == (200, "<title>viewer</title>")
        assert page.headers["referrer-policy"] == "no-referrer"
        expired = sign(clock=lambda: time.time() - 120, seconds=60)
        for bad in (expired, sign(key=OTHER_KEY), "x"):
            for rest in ("", "/", "/viewer"):
                assert httpx.get(f"{viewer}/links/{bad}{rest}", timeout=60).status_code == 401
        narrow = httpx.get(f"{viewer}/links/{sign(STUDY, SERIES)}/viewer", timeout=60)
        assert (narrow.status_code, "needs a link to a study" in narrow.text) == (404, True)


def command(tmp_path: Path, *arguments: str, configured: str = "") -> subprocess.CompletedProcess[str]:
    config = tmp_path / "dicom-common.toml"
    config.write_text(f'public_url = "https://pacs.example/dicom-web"\ndata = "data"\n{configured}')
    program = [*COMMAND, "--config", str(config), *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_the_command_makes_a_link_that_the_server_takes(tmp_path: Path) -> None:
    configured = f'[web.links]\n[[web.links.keys]]\nid = "k1"\nkey = "{KEY}"\nactive = true\n'
    file = tmp_path / "1.dcm"
    file.write_bytes(make_instance(1))
    assert command(tmp_path, "ingest", str(file), configured=configured).returncode == 0
    made = command(tmp_path, "link", STUDY, "--seconds", "600", configured=configured)
    assert made.returncode == 0, made.stderr
    start, _, link = made.stdout.strip().partition("/links/")
    assert start == "https://pacs.example/dicom-web"
    capability = Capabilities([SigningKey(id="k1", key=Secret(KEY), active=True)]).verify(link)
    assert (capability.tenant, capability.study_uid, capability.series_uid) == ("local", STUDY, "")
    assert 0 < capability.expires - time.time() <= 600
    viewer = command(tmp_path, "link", STUDY, "--viewer", configured=configured)
    assert viewer.stdout.startswith("https://pacs.example/ohif/links/c1.")
    narrow = command(tmp_path, "link", STUDY, "--series", SERIES, "--viewer", configured=configured)
    assert (narrow.returncode, "leave out --series" in narrow.stderr) == (2, True)
    elsewhere = command(tmp_path, "link", STUDY, "--viewer", configured=f'[web]\nroot = "/pacs"\n{configured}')
    assert (elsewhere.returncode, "public_url does not end with /pacs" in elsewhere.stderr) == (2, True)
    absent = command(tmp_path, "link", "1.2.3", configured=configured)
    assert absent.returncode == 2
    assert "Nothing is stored under 1.2.3 for this tenant" in absent.stderr
    unconfigured = command(tmp_path, "link", STUDY)
    assert unconfigured.returncode == 2
    assert "[[web.links.keys]]" in unconfigured.stderr
