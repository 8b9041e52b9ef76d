"""What Google tells of an object and of a bucket."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from google.cloud.storage import Blob  # type: ignore[import-untyped]  # it has no types

from dicom_common.storage.object import Probed, RemoteObject
from dicom_common.toolkit import parse_json

__all__ = ["KEPT_ATTEMPT", "KEPT_SHA256", "found_of", "found_of_answer", "found_of_resource", "probed"]

KEPT_SHA256 = "sha256"
KEPT_ATTEMPT = "dicom-common-attempt"
"""The names of our metadata."""

_TOTAL = re.compile(r"/(\d+)$")


def found_of(blob: Blob) -> RemoteObject:
    """Read it from a blob that the SDK has filled."""
    metadata = blob.metadata or {}
    return RemoteObject(
        key=blob.name,
        size=int(blob.size or 0),
        modified=blob.updated or datetime.now(UTC),
        version=str(blob.generation),
        sha256=metadata.get(KEPT_SHA256),
        attempt=metadata.get(KEPT_ATTEMPT),
    )


def found_of_resource(resource: dict[str, Any]) -> RemoteObject:
    """Read it from the JSON of an object."""
    metadata = resource.get("metadata") or {}
    return RemoteObject(
        key=resource["name"],
        size=int(resource["size"]),
        modified=datetime.fromisoformat(resource["updated"]),
        version=str(resource["generation"]),
        sha256=metadata.get(KEPT_SHA256),
        attempt=metadata.get(KEPT_ATTEMPT),
    )


def found_of_answer(key: str, answer: requests.Response) -> RemoteObject:
    """Read it from the headers of an answer that carries the object, or a range of it."""
    headers = answer.headers
    total = _TOTAL.search(headers.get("Content-Range", ""))
    modified = headers.get("Last-Modified") or headers.get("Date")
    return RemoteObject(
        key=key,
        size=int(total[1] if total else headers.get("Content-Length", "0")),
        modified=parsedate_to_datetime(modified) if modified else datetime.now(UTC),
        version=headers.get("X-Goog-Generation", ""),
        sha256=headers.get(f"X-Goog-Meta-{KEPT_SHA256}"),
        attempt=headers.get(f"X-Goog-Meta-{KEPT_ATTEMPT}"),
    )


def probed(answer: requests.Response) -> Probed:
    """Read it from the answer to a request for the bucket."""
    bucket = parse_json(answer.content)
    facts: dict[str, str | int | float | bool] = {
        "location": str(bucket.get("location", "")),
        "storage_class": str(bucket.get("storageClass", "")),
        "versioning": bool(bucket.get("versioning", {}).get("enabled")),
        "soft_delete_days": int(bucket.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0)) // 86400,
    }
    warnings = []
    retention = int(bucket.get("retentionPolicy", {}).get("retentionPeriod", 0))
    if retention:
        facts["retention_days"] = retention // 86400
        warnings.append(
            "its retention policy refuses to replace and delete, and keeps the parts of large objects until it ends:"
            " raise multipart_threshold"
        )
    return Probed(facts=facts, warnings=warnings)
