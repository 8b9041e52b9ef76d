"""Metadata documents of an embedded installation, and backends that tell what they are asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pipeline_site import ROOT, Site

from dicom_common.host import Services
from dicom_common.pipeline import MetadataDocuments

STUDY, SERIES = f"{ROOT}.1", f"{ROOT}.1.1"
STUDY_KEY, SERIES_KEY = (
    f"local/metadata/20260102/{STUDY}.json",
    f"local/metadata/20260102/{STUDY}/{SERIES}.json",
)
QUIET = {"documents__quiet_seconds": 0}

Open = Callable[..., tuple[Services, MetadataDocuments]]


def text_of(document: Any) -> bytes:
    with document:
        return b"".join(document.plain())


def sops(text: bytes) -> list[str]:
    return [str(one["00080018"]["Value"][0]).removeprefix(f"{ROOT}.") for one in json.loads(text)]


def documents_of(site: Site) -> set[str]:
    return {key for key in site.objects if "/metadata/" in key}


class Told:
    """A backend that goes on to the real one, and tells what it was asked. May be broken."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.calls: list[tuple[Any, ...]] = []
        self.before: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, *arguments))
            if name in self.before:
                self.before[name](*arguments)
            return getattr(self.real, name)(*arguments, **named)

        return call

    def count(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)


def tell(services: Services, kind: str) -> Told:
    told = Told(getattr(services, kind))
    services._opened[kind] = told
    return told
