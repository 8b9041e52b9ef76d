"""Fixtures of the pipeline's tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out
from documents_site import QUIET, Open
from pipeline_site import Make, Site, make_instance

from dicom_common.host import Services
from dicom_common.pipeline import MetadataDocuments


@pytest.fixture
def make() -> Make:
    return make_instance


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Sequence[bytes]], list[Path]]:
    """Write instances to files."""

    def write_files(instances: Sequence[bytes]) -> list[Path]:
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        paths = []
        for number, data in enumerate(instances):
            paths.append(folder / f"{number:05}.dcm")
            paths[-1].write_bytes(data)
        return paths

    return write_files


@pytest.fixture
def open_documents(site: Site) -> Open:
    def opened(**settings: Any) -> tuple[Services, MetadataDocuments]:
        services = site.services(**(QUIET | settings))
        return services, MetadataDocuments(services)

    return opened


@pytest.fixture
def filled(site: Site, make: Make) -> Site:
    """An installation with instances of several series and studies, for tests of reconciliation."""
    for first in range(1, 13, 4):
        site.store(*(make(sop, series=sop % 3 + 1, study=sop % 2 + 1) for sop in range(first, first + 4)))
    return site
