"""The answer to a store request: its status, and the Store Instances Response Module (PS3.18 10.5.3, Annex I)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from dicom_common.dicom import Reason
from dicom_common.pipeline import IngestReason, Result, Status, status_codes
from dicom_common.web._errors import RETRY_AFTER
from dicom_common.web._negotiation import Offer
from dicom_common.web._stow._intake import Outcome, UnsupportedPart
from dicom_common.web._xml import to_xml

__all__ = ["OFFERS", "answer", "response_module", "status_of"]

OFFERS = tuple(Offer(media_type=f"application/{name}") for name in ("dicom+json", "json", "dicom+xml"))
"""As what the answer can be had."""
UNSUPPORTED_PART: Final = 0xC030
"""Failure Reason of a part of another media type: "cannot understand" (PS3.18 Table I.2-2), the last digits ours."""
_TOO_LARGE = frozenset((str(IngestReason.OBJECT_TOO_LARGE), str(Reason.TOO_LARGE)))
_NO_INSTANCE = frozenset(map(str, Reason))
"""Reasons for which a part is no instance: it cannot be read, or does not say which one it is."""


def status_of(outcomes: Sequence[Outcome]) -> int:
    """Return the status of the answer (PS3.18 10.5.3.1), from what became of one part or more."""
    failed = [one for one in outcomes if isinstance(one, UnsupportedPart) or one.status is Status.REJECTED]
    if len(failed) < len(outcomes):
        return 202 if failed or any(_is_noted(one) for one in outcomes) else 200
    results = [one for one in failed if isinstance(one, Result)]
    if not results:
        return 415
    if all(one.retry for one in failed if isinstance(one, Result)):
        return 503
    if all(one.reason in _TOO_LARGE for one in results):
        return 413
    return 400 if all(one.reason in _NO_INSTANCE for one in results) else 409


def _is_noted(outcome: Outcome) -> bool:
    """Tell whether an instance was taken, and there is something to say of it."""
    if isinstance(outcome, UnsupportedPart):
        return False
    return outcome.status is Status.QUEUED or status_codes(outcome).warning_reason is not None


def answer(outcomes: Sequence[Outcome], service_root: str, media_type: str) -> Response:
    """Make the answer.

    Args:
        outcomes: what became of each part, one or more.
        service_root: for the Retrieve URLs.
        media_type: one of `OFFERS`.
    """
    status = status_of(outcomes)
    module = response_module(outcomes, service_root)
    is_xml = media_type.endswith("xml")
    headers = {"content-type": media_type}
    failed = sum(isinstance(one, UnsupportedPart) or one.status is Status.REJECTED for one in outcomes)
    if failed:
        text = f"{failed} of {len(outcomes)} instances were not stored: see their Failure Reason (0008,1197)."
        headers["warning"] = f'299 dicom-common "{text}"'
    elif status == 202:
        headers["warning"] = '299 dicom-common "All instances were taken, some with a warning or for indexing later."'
    if status == 503:
        headers["retry-after"] = RETRY_AFTER
    return Response(to_xml(module) if is_xml else msgspec.json.encode(module), status, headers)


def response_module(outcomes: Sequence[Outcome], service_root: str) -> dict[str, Any]:
    """Return the Store Instances Response Module as DICOM JSON: each part is in exactly one of its sequences."""
    stored: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    studies: set[str] = set()
    for one in outcomes:
        if isinstance(one, UnsupportedPart):
            others.append({"00081197": _number(UNSUPPORTED_PART)})
            continue
        codes = status_codes(one)
        if codes.failure_reason is not None:
            reason = {"00081197": _number(codes.failure_reason)}
            is_known = one.sop_class_uid and one.sop_uid
            (failed if is_known else others).append({**_reference(one), **reason} if is_known else reason)
            continue
        study = f"{service_root}/studies/{one.study_uid}"
        studies.add(study)
        item = {**_reference(one), "00081190": _url(f"{study}/series/{one.series_uid}/instances/{one.sop_uid}")}
        if codes.warning_reason is not None:
            item["00081196"] = _number(codes.warning_reason)
        stored.append(item)
    sequences = {"00081198": failed, "00081199": stored, "0008119A": others}
    return {
        "00081190": _url(studies.pop()) if len(studies) == 1 else {"vr": "UR"},
        **{tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items},
    }


def _reference(result: Result) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [result.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [result.sop_uid]},
    }


def _number(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}


def _url(value: str) -> dict[str, Any]:
    return {"vr": "UR", "Value": [value]}
