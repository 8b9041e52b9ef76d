"""Log records as rows of their tables, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from dicom_common.core import LogRecord, ReceivedObject, WebAccess
from dicom_common.db.sql._columns import MAX_KEY, MAX_UID
from dicom_common.db.sql._session import Row
from dicom_common.db.sql._values import clean, date_number, micros, moment

__all__ = ["KINDS", "Kind"]

_MAX_LONG = 16_000
"""Characters of a path, a query or headers that are kept; MySQL's TEXT takes 65,535 bytes."""
_INT64 = 2**63


@dataclass(frozen=True)
class Kind:
    """A log: its table, and what makes rows of its records and records of its rows (in the order of the columns)."""

    table: str
    row: Callable[[Any], Row]
    record: Callable[[Row], Any]
    has_study: bool
    """Whether its records are of a study."""


def _maybe(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _whole(number: int | None) -> int | None:
    return number if number is None or -_INT64 <= number < _INT64 else None


def _received_row(one: ReceivedObject) -> Row:
    target = one.target_transfer_syntax_uid
    return (
        micros(one.time),
        one.id,
        one.tenant,
        clean(one.study_uid, MAX_UID),
        clean(one.series_uid, MAX_UID),
        clean(one.sop_uid, MAX_UID),
        clean(one.key, MAX_KEY),
        one.size,
        clean(one.transfer_syntax_uid, MAX_UID),
        None if target is None else clean(target, MAX_UID),
        clean(one.transfer_status),
        _whole(one.frames) or 0,
        clean(one.worker_node),
        clean(one.patient_id),
        _maybe(one.accession_number),
        None if one.study_date is None else date_number(one.study_date),
        _maybe(one.source_ip),
        _maybe(one.source_ae),
    )


def _received(row: Row) -> ReceivedObject:
    created, id_, tenant, study, series, sop, key, size, syntax, target, status, frames, node, *rest = row
    patient_id, accession, day, ip, ae = rest
    return ReceivedObject(
        id=id_,
        time=moment(created),
        tenant=tenant,
        study_uid=study,
        series_uid=series,
        sop_uid=sop,
        key=key,
        size=size,
        transfer_syntax_uid=syntax,
        target_transfer_syntax_uid=target,
        transfer_status=status,
        frames=frames,
        worker_node=node,
        patient_id=patient_id,
        accession_number=accession,
        study_date=None if day is None else date(day // 10000, day // 100 % 100, day % 100),
        source_ip=ip,
        source_ae=ae,
    )


def _headers_text(one: WebAccess) -> str:
    text = json.dumps(dict(one.headers))  # ASCII: neither NUL nor a lone surrogate can be in it
    while len(text) > _MAX_LONG:  # cut between headers, so that what is kept is JSON
        kept = dict(list(json.loads(text).items())[:-1])
        text = json.dumps(kept)
    return text


def _access_row(one: WebAccess) -> Row:
    duration = one.duration_ms
    return (
        micros(one.time),
        one.id,
        one.tenant,
        clean(one.request_id),
        clean(one.method),
        clean(one.path, _MAX_LONG),
        clean(one.query, _MAX_LONG),
        _maybe(one.peer),
        _headers_text(one),
        _maybe(one.user),
        _maybe(one.user_id),
        one.status,
        _whole(one.content_length),
        None if duration is None or not math.isfinite(duration) else float(duration),
    )


def _access(row: Row) -> WebAccess:
    created, id_, tenant, request_id, method, path, query, peer, headers, user, user_id, status, length, ms = row
    return WebAccess(
        id=id_,
        time=moment(created),
        tenant=tenant,
        request_id=request_id,
        method=method,
        path=path,
        query=query,
        peer=peer,
        headers=json.loads(headers),
        user=user,
        user_id=user_id,
        status=status,
        content_length=length,
        duration_ms=ms,
    )


KINDS: dict[type[LogRecord], Kind] = {
    ReceivedObject: Kind("received_log", _received_row, _received, has_study=True),
    WebAccess: Kind("access_log", _access_row, _access, has_study=False),
}
"""The logs, by the class of their records."""
