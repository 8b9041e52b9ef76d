"""What the settings of a bucket mean for the storage."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

from dicom_common.core import parse_json
from dicom_common.storage.object import Probed

__all__ = ["probed"]

_SKEW = 60
"""In seconds. Google refuses tokens that were signed more than a few minutes off."""


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
    if "Date" in answer.headers:
        skew = (datetime.now(UTC) - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
        facts["clock_skew_seconds"] = round(skew)
        if abs(skew) > _SKEW:
            warnings.append(f"the clock of this machine is {skew:.0f} seconds off that of the store: correct it")
    return Probed(facts=facts, warnings=warnings)
