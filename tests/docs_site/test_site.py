"""The built documentation: its links lead somewhere, and it needs no network. The session `docs` of nox builds it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import pytest
from _workspace import ROOT, all_packages

LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("object", "data")}
"""What a browser fetches by itself."""


class Page(HTMLParser):
    """What a page refers to, and the places in it that others may refer to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.text = file.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            if (tag, name) in LOADED and value and ("rel", "canonical") not in attrs:
                self.loaded.append(value)


class Site:
    """A folder of pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[Path, Page]:
        return {file: Page(file) for file in sorted(self.folder.rglob("*.html"))}

    def broken(self, file: Path, link: str) -> bool:
        """Tell whether a link of a page leads nowhere; one to another site is not followed."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return False
        target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            return True
        anchor = unquote(parts.fragment)
        return bool(anchor) and target in self.pages and anchor not in self.pages[target].anchors


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site: that which the session has built, or one that is built now."""
    if "DICOM_COMMON_TEST_SITE" in os.environ:
        return Site(Path(os.environ["DICOM_COMMON_TEST_SITE"]).absolute())
    folder = tmp_path_factory.mktemp("docs")
    words = [sys.executable, str(ROOT / "tools" / "build_docs.py"), f"--output={folder}"]
    built = subprocess.run(words, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return Site(folder / "site")


def test_every_link_leads_somewhere(site: Site) -> None:
    broken = [
        f"{file.relative_to(site.folder)}: {link}"
        for file, page in site.pages.items()
        if file.name != "404.html"  # its links are absolute: it is shown at any address
        for link in page.links
        if site.broken(file, link)
    ]
    assert broken == []


def test_a_link_that_leads_nowhere_is_found(site: Site) -> None:
    index = site.folder / "index.html"
    for link in ("nowhere.html", "settings.html#nowhere", "#nowhere", "packages/"):
        assert site.broken(index, link), link
    assert not site.broken(index, "settings.html#dicom-common-storage-s3")


def test_no_page_loads_anything_from_the_network(site: Site) -> None:
    loaded = {
        f"{file.relative_to(site.folder)}: {address}"
        for file, page in site.pages.items()
        if file.name != "404.html"
        for address in page.loaded
        if urlsplit(address).netloc
    }
    assert loaded == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.folder.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", styles) == []


def test_there_is_a_page_for_every_package_and_its_api(site: Site) -> None:
    settings = site.pages[site.folder / "settings.html"]
    for package in all_packages():
        readme = site.pages[site.folder / "packages" / package.name / "index.html"]
        assert package.name in readme.text
        if "<!-- settings: " in (package.folder / "README.md").read_text(encoding="utf-8"):
            assert package.name in settings.anchors
        if package.module and not package.is_compiled:
            assert site.folder / "api" / f"{package.short_name}.html" in site.pages
    core = site.pages[site.folder / "api" / "core.html"].anchors
    assert {"dicom_common.core.Storage", "dicom_common.core.Storage.write", "dicom_common.core.Backend"} <= core
    assert {"dicom_common.core.hookspecs.dicom_common_accept", "dicom_common.core.tls.Tls"} <= core


def test_the_picture_has_every_package_above_what_it_requires(site: Site) -> None:
    picture = (site.folder / "architecture.svg").read_text(encoding="utf-8")
    tops = {
        name: int(top) for top, name in re.findall(r'<rect x="\d+" y="(\d+)".*?<text [^>]*>([^<]+)</text>', picture)
    }
    by_name = {package.short_name: package for package in all_packages() if package.module}
    assert tops.keys() == by_name.keys()
    for name, package in by_name.items():
        for requirement in package.requirements:
            needed = re.split(r"[<>=\[; ]", requirement)[0].removeprefix("dicom-common-")
            if needed in by_name:
                assert tops[name] < tops[needed], f"{name} stands above {needed}"


@pytest.mark.skipif(browser.absent() is not None, reason=browser.absent() or "")
def test_the_search_finds_a_setting_in_pages_that_are_read_from_files(site: Site, tmp_path: Path) -> None:
    found = (r"[1-9]\d* matching documents?", "packages/dicom-common-pipeline/index.html")
    shown = browser.document((site.folder / "index.html").as_uri() + "?q=max_object_bytes", tmp_path, *found)
    assert all(re.search(pattern, shown) for pattern in found)
