"""What the settings of an account and a container mean for the storage."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerClient
from dicom_common.core import BackendError, RefusedError
from dicom_common.storage.azure._translate import Translator
from dicom_common.storage.object import Probed

__all__ = ["probe"]

_SKEW = 300
"""In seconds. Azure refuses requests that were signed more than 15 minutes off."""


def probe(service: BlobServiceClient, container: ContainerClient, translate: Translator) -> Probed:
    """Ask for the container, and for the sort of the account where we may."""
    facts: dict[str, str | int | float | bool] = {}
    warnings: list[str] = []
    dates: list[str] = []

    def listen(answer: Any) -> None:
        dates.extend(filter(None, [answer.http_response.headers.get("Date")]))

    try:
        with translate.request():
            told = container.get_container_properties(raw_response_hook=listen)
        facts["immutability_policy"] = bool(told.has_immutability_policy)
        if told.has_immutability_policy:
            warnings.append("its immutability policy refuses to replace and delete")
    except RefusedError:  # a signature may be good for objects only; a container that is missing is said here
        with translate.request():
            next(container.list_blobs(results_per_page=1, raw_response_hook=listen).by_page(), None)
        facts["container_settings_visible"] = False
    try:
        with translate.request():
            facts["hierarchical_namespace"] = bool(service.get_account_information().get("is_hns_enabled"))
    except BackendError:
        facts["account_settings_visible"] = False
    if facts.get("hierarchical_namespace"):
        warnings.append(
            "the account has a hierarchical namespace: scans are not in the order of the keys, and a key cannot be the"
            " folder of another; use an account without it"
        )
    if dates:
        skew = (datetime.now(UTC) - parsedate_to_datetime(dates[0])).total_seconds()
        facts["clock_skew_seconds"] = round(skew)
        if abs(skew) > _SKEW:
            warnings.append(f"the clock of this machine is {skew:.0f} seconds off that of the store: correct it")
    return Probed(facts=facts, warnings=warnings)
