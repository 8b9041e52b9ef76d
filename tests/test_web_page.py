"""What a person sees in a browser: the page, and the viewer OHIF. Their pictures are kept in `.reports`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import browser
import pytest
from _workspace import ROOT
from PIL import Image
from pydicom.data import get_testdata_file
from web_instances import made
from web_site import PROGRAM, serving

from dicom_common.testing.servers import OHIF

pytestmark = [pytest.mark.kills, pytest.mark.slow]
PICTURES = ROOT / ".reports" / "pictures"
STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
"""That of pydicom's `CT_small.dcm`."""


@contextmanager
def filled(folder: Path, *options: str) -> Iterator[str]:
    """Store pydicom's CT image in an embedded set and serve it; the address."""
    program = [*PROGRAM, "--data", str(folder)]
    file = get_testdata_file("CT_small.dcm", download=False)
    subprocess.run([*program, "ingest", str(file)], check=True, capture_output=True)
    # A study without a modality, too: what viewers do not expect.
    subprocess.run(
        [*program, "ingest", str(get_testdata_file("rtplan.dcm", download=False))], check=True, capture_output=True
    )
    with serving(folder, *options) as address:
        yield address


@pytest.fixture(autouse=True)
def _with_browser(request: pytest.FixtureRequest) -> None:
    if reason := browser.absent():
        (pytest.fail if request.config.getoption("--require-services") else pytest.skip)(reason)


def series_of(address: str) -> str:
    with urllib.request.urlopen(f"{address}/dicom-web/studies/{STUDY}/series") as answer:
        return str(json.load(answer)[0]["0020000E"]["Value"][0])


def shades(picture: Path, left: float, right: float) -> int:
    """How many shades of grey there are in the middle of a part of a picture; letters and lines have few."""
    with Image.open(picture) as image:
        width, height = image.size
        part = image.convert("RGB").crop((int(left * width), int(0.2 * height), int(right * width), int(0.7 * height)))
        counted = part.getcolors(maxcolors=1 << 24) or []
    greys = [number for number, colour in counted if isinstance(colour, tuple) and len(set(colour)) == 1]
    return sum(number > part.width * part.height // 5000 for number in greys)


def shows_an_image(left: float, right: float) -> Callable[[Path], bool]:
    """Return a question to a picture: whether there is an image in this part."""
    return lambda picture: shades(picture, left, right) > 40


def test_the_page_lists_studies_and_shows_a_study_a_series_and_its_image(tmp_path: Path) -> None:
    link = f'href="#/studies/{STUDY}"'
    thumbnail = '<img src="blob:'
    with filled(tmp_path / "data") as address:
        listed = browser.document(f"{address}/", tmp_path, link)
        study = browser.document(f"{address}/#/studies/{STUDY}", tmp_path, "1 instance", thumbnail)
        series = f"{address}/#/studies/{STUDY}/series/{series_of(address)}"
        shown = browser.document(series, tmp_path, thumbnail, "Rescale Slope")
        inside = shows_an_image(0.15, 0.6)
        took = browser.screenshot(series, tmp_path, PICTURES / "page-series.png", shows=inside)
        browser.screenshot(
            f"{address}/#/studies/{STUDY}", tmp_path, PICTURES / "page-study.png", shows=inside, limit=took
        )
        browser.screenshot(f"{address}/", tmp_path, PICTURES / "page-studies.png", shows=inside, limit=took)
    assert link in listed
    assert "1 instance" in study
    assert thumbnail in study
    assert thumbnail in shown
    assert "Rescale Slope" in shown
    assert inside(PICTURES / "page-series.png")
    assert not inside(PICTURES / "page-studies.png")


def test_the_page_says_what_did_not_work(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as address:
        unknown = browser.document(f"{address}/#/studies/1.2.3", tmp_path, "This study is not here.")
        wrong = browser.document(f"{address}/#/?StudyDate=nonsense", tmp_path, 'role="alert"', "StudyDate")
    assert "This study is not here." in unknown
    assert 'role="alert"' in wrong
    assert "StudyDate" in wrong


def test_the_page_begins_at_the_top_tells_whose_image_it_is_and_skips_to_its_content(tmp_path: Path) -> None:
    status = "document.getElementById('status').textContent"
    with filled(tmp_path / "data") as address:
        series = f"{address}/#/studies/{STUDY}/series/{series_of(address)}"
        with browser.opened(series, tmp_path) as page:
            assert page.comes(f"{status} === 'Image 1 of 1'")
            assert page.comes("document.querySelector('main').innerText.includes('1CT1')")
            page.evaluated("document.querySelector('.skip').click()")
            assert page.evaluated("document.activeElement.id") == "main"
            assert page.evaluated("location.href") == series
            # A new view begins at the top, even where the one before was scrolled.
            page.evaluated("scrollTo(0, 500); location.hash = '#/'")
            assert page.comes("document.title === 'Studies'")
            assert page.evaluated("scrollY") == "0"
            assert page.comes(f"{status} === '2 studies'")


def test_what_has_no_picture_leaves_no_loading_behind(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as address:
        with urllib.request.urlopen(f"{address}/dicom-web/series?Modality=RTPLAN") as answer:
            (plan,) = json.load(answer)
        study, series = (plan[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        with browser.opened(f"{address}/#/studies/{study}/series/{series}", tmp_path) as page:
            assert page.comes("document.querySelector('.picture [role=alert]') !== null")
            assert page.evaluated("document.getElementById('status').textContent") == ""


def test_a_series_shows_every_image_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text('data = "data"\n[web]\nmax_results = 2\n')
    for number, place in ((3, 1), (1, 2), (2, 3)):
        (tmp_path / f"{place}.dcm").write_bytes(made(1, 1, place, InstanceNumber=number, SeriesNumber=1))
    files = [str(tmp_path / f"{place}.dcm") for place in (1, 2, 3)]
    subprocess.run([*PROGRAM, "--config", str(config), "ingest", *files], check=True, capture_output=True)
    uid = "document.querySelector('main').innerText.includes('2.25.7.1.1.{}')"
    with (
        serving(config) as address,
        browser.opened(f"{address}/#/studies/2.25.7.1/series/2.25.7.1.1", tmp_path) as page,
    ):
        assert page.comes("document.querySelector('output')?.textContent === '1 of 3'")
        assert page.comes(uid.format(2))
        press = "document.querySelector('.picture').dispatchEvent(new KeyboardEvent('keydown', {{ key: 'End'{} }}))"
        page.evaluated(press.format(", altKey: true"))
        assert page.evaluated("document.querySelector('output').textContent") == "1 of 3"
        page.evaluated(press.format(""))
        assert page.comes(uid.format(1))


def test_the_page_says_that_the_server_is_gone(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as address, browser.opened(f"{address}/", tmp_path) as page:
        assert page.comes("document.getElementById('status').textContent === '2 studies'")
        # What fetch does where nothing listens; a port that was free may be taken by another test.
        page.evaluated("window.fetch = () => Promise.reject(new TypeError('Failed to fetch')); location.hash = '#/?x'")
        assert page.comes(
            "document.querySelector('[role=alert]')?.textContent.startsWith('The server does not answer')"
        )
        assert page.evaluated("document.title") == "That did not work"


@pytest.fixture
def viewer(request: pytest.FixtureRequest) -> str:
    """The folder of OHIF."""
    if not OHIF.is_there():
        reason = "OHIF is not installed: run `python3 tools/services.py install ohif`"
        (pytest.fail if request.config.getoption("--require-services") else pytest.skip)(reason)
    return str(OHIF.path.parent)


OHIF_SHOWS = shows_an_image(0.25, 0.95)


def test_ohif_lists_the_studies_and_shows_an_image(tmp_path: Path, viewer: str) -> None:
    picture = PICTURES / "ohif-study.png"
    with filled(tmp_path / "data", "--viewer", viewer) as address:
        listed = browser.document(f"{address}/ohif/", tmp_path, "CompressedSamples")
        study = f"{address}/ohif/viewer?StudyInstanceUIDs={STUDY}"
        browser.screenshot(study, tmp_path, picture, shows=OHIF_SHOWS)
    assert "CompressedSamples" in listed
    assert OHIF_SHOWS(picture)


SITE = """
data = "data"
[web.links]
[[web.links.keys]]
id = "1"
key = "{key}"
active = true
[auth]
backend = "jose"
[[auth.issuers]]
issuer = "https://login.example"
audiences = ["dicom-common"]
jwks_uri = "http://127.0.0.1:9/keys"
tenant = "local"
[policy.search]
roles = ["radiologist"]
[policy.retrieve]
roles = ["radiologist"]
"""


def test_requests_at_the_same_time_share_one_question_for_a_token(tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text(SITE.format(key=base64.b64encode(os.urandom(32)).decode()))
    with serving(config) as address, browser.opened(f"{address}/#/studies/{STUDY}", tmp_path) as page:
        assert page.comes("document.getElementById('token-dialog').open")
        assert page.evaluated("document.getElementById('token-refused').hidden") == "True"
        type_it = "document.getElementById('token').value = 'no token'; document.querySelector('dialog button').click()"
        page.evaluated(type_it)
        # Both requests of a study have gone out with what was typed, and the page says that it was not accepted.
        assert page.comes("!document.getElementById('token-refused').hidden")
        assert page.comes("document.getElementById('token-dialog').open")
        assert page.evaluated("document.querySelector('main [role=alert]')") == "None"


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_ohif_shows_the_study_of_a_link_without_a_token(tmp_path: Path, viewer: str) -> None:
    config = tmp_path / "site.toml"
    config.write_text(SITE.format(key=base64.b64encode(os.urandom(32)).decode()))
    program = [*PROGRAM, "--config", str(config)]
    files = [str(get_testdata_file(name, download=False)) for name in ("CT_small.dcm", "MR_small.dcm")]
    subprocess.run([*program, "ingest", *files], check=True, capture_output=True)
    with serving(config, "--viewer", viewer) as address:

        def link(*options: str) -> str:
            public = {**os.environ, "DICOM_COMMON_PUBLIC_URL": f"{address}/dicom-web"}
            made = [*program, "link", STUDY, *options]
            return subprocess.run(made, check=True, capture_output=True, text=True, env=public).stdout.strip()

        shown, without = (PICTURES / name for name in ("ohif-link.png", "ohif-without-link.png"))
        took = browser.screenshot(link("--viewer"), tmp_path, shown, shows=OHIF_SHOWS)
        study = f"{address}/ohif/viewer?StudyInstanceUIDs={STUDY}"
        browser.screenshot(study, tmp_path, without, shows=OHIF_SHOWS, limit=2 * took)
        assert status_of(f"{address}/dicom-web/studies/{STUDY}/metadata") == 401
        assert status_of(f"{link()}/studies/{STUDY}/metadata") == 200
        assert status_of(f"{link()}/studies?PatientID=4MR1") == 404
        assert status_of(link("--viewer")[:-1]) == 401
        ask = "ask for a new link"
        assert browser.document(link("--viewer")[:-1], tmp_path, ask).count(ask) == 1
    assert OHIF_SHOWS(shown)
    assert not OHIF_SHOWS(without)
