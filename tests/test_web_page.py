"""What a person sees in a browser: the page, and the viewer OHIF. Their pictures are kept in `.reports`."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browser
import pytest
from _workspace import ROOT
from PIL import Image
from pydicom.data import get_testdata_file
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


def test_the_page_lists_studies_and_shows_a_study_a_series_and_its_image(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as address:
        listed = browser.document(f"{address}/", tmp_path)
        study = browser.document(f"{address}/#/studies/{STUDY}", tmp_path)
        series = f"{address}/#/studies/{STUDY}/series/{series_of(address)}"
        shown = browser.document(series, tmp_path)
        browser.screenshot(f"{address}/", tmp_path, PICTURES / "page-studies.png")
        browser.screenshot(f"{address}/#/studies/{STUDY}", tmp_path, PICTURES / "page-study.png")
        browser.screenshot(series, tmp_path, PICTURES / "page-series.png")
    assert f'href="#/studies/{STUDY}"' in listed
    assert "1 instance" in study
    assert '<img src="blob:' in study
    assert '<img src="blob:' in shown
    assert "Rescale Slope" in shown
    assert shades(PICTURES / "page-series.png", 0.15, 0.6) > 40
    assert shades(PICTURES / "page-studies.png", 0.15, 0.6) < 40


def test_the_page_says_what_did_not_work(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as address:
        unknown = browser.document(f"{address}/#/studies/1.2.3", tmp_path)
        wrong = browser.document(f"{address}/#/?StudyDate=nonsense", tmp_path)
    assert "This study is not here." in unknown
    assert 'role="alert"' in wrong
    assert "StudyDate" in wrong


def test_ohif_lists_the_studies_and_shows_an_image(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if not OHIF.is_there():
        reason = "OHIF is not installed: run `python3 tools/services.py install ohif`"
        (pytest.fail if request.config.getoption("--require-services") else pytest.skip)(reason)
    with filled(tmp_path / "data", "--viewer", str(OHIF.path.parent)) as address:
        listed = browser.document(f"{address}/ohif/", tmp_path, seconds=30)
        picture = PICTURES / "ohif-study.png"
        for seconds in (30, 60, 120):  # of the page's own time, which goes on while its workers decode
            browser.screenshot(f"{address}/ohif/viewer?StudyInstanceUIDs={STUDY}", tmp_path, picture, seconds=seconds)
            if shades(picture, 0.25, 0.95) > 40:
                break
    assert "CompressedSamples" in listed
    assert shades(picture, 0.25, 0.95) > 40
