"""Reconciling an embedded installation, and making the differences that it is to find."""

from __future__ import annotations

import os
from typing import Any

from pipeline_site import Site

from dicom_common.core import Level, Query
from dicom_common.host import Services
from dicom_common.pipeline import Difference, DifferenceKind, Reconciliation

KINDS = DifferenceKind


def reconcile(site: Site, *, jobs: int = 1, settings: Any = None, **options: Any) -> list[Difference]:
    return list(Reconciliation(site.config(**(settings or {})), jobs=jobs, **options).run())


def lose_index(site: Site) -> None:
    for file in site.data.glob("index.sqlite*"):
        file.unlink()


def forget(site: Site, sop_uid: str) -> str:
    """Take a row out of the index as if it had never been written; the object stays. Returns its key."""
    with Services(site.config()) as services:
        row = services.db.stored("local", [sop_uid])[sop_uid]
        data = b"".join(services.storage.read(row.key))
        services.db.remove("local", row.study_uid, row.series_uid, row.sop_uid)
        services.storage.delete(row.key)
        services.db.deleted([row.key])
        key = row.key.replace(".dcm", "~left.dcm")
        services.storage.write(key, data)
    return key


def age(site: Site, key: str, seconds: int) -> None:
    file = site.data / "objects" / key
    os.utime(file, (file.stat().st_mtime - seconds,) * 2)


def everything(site: Site) -> dict[str, Any]:
    with Services(site.config()) as services:
        rows = list(services.db.walk())
        return {
            "levels": {level: services.db.find(Query(tenant="local", level=level)) for level in Level},
            "rows": rows,
            "metadata": [
                document for row in rows for document in services.db.metadata(row.tenant, row.study_uid, row.series_uid)
            ],
        }
