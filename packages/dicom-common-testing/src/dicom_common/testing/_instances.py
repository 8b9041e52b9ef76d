"""Made-up instances of made-up patients: always the same."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time
from typing import Any

from dicom_common.core import Entry, Instance, PersonName

__all__ = ["CT_IMAGE", "make_entry", "make_instance"]

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_instance(
    number: int = 1, *, study: int = 1, series: int = 1, revision: int = 0, **attributes: Any
) -> Instance:
    """Make an instance: number `number` of series `series` of study `study`.

    Args:
        number: its Instance Number, and the last component of its SOP Instance UID.
        study: the study; by default each study has a patient of its own.
        series: the series of the study.
        revision: instances of the same number that differ in this have the same UIDs and other bytes.
        attributes: fields of `Instance`, in place of what is made up.
    """
    study_uid = f"1.2.3.{study}"
    series_uid = f"{study_uid}.{series}"
    sop_uid = f"{series_uid}.{number}"
    made: dict[str, Any] = {
        "study_uid": study_uid,
        "series_uid": series_uid,
        "sop_uid": sop_uid,
        "sop_class_uid": CT_IMAGE,
        "transfer_syntax_uid": _EXPLICIT_LITTLE,
        "size": 1000 + number,
        "patient_id": f"MADE-UP-{study}",
        "patient_name": PersonName(f"Made^Up{study}"),
        "study_date": date(2026, 1, 1),
        "study_time": time(8, study % 60),
        "modality": "CT",
        "series_number": series,
        "instance_number": number,
    } | attributes
    made.setdefault("sha256", hashlib.sha256(f"{made['sop_uid']} {revision}".encode()).hexdigest())
    return Instance(**made)


def make_entry(instance: Instance | None = None, *, tenant: str = "local", **fields: Any) -> Entry:
    """Make an entry of an instance, with a key that is unlike those of all other bytes.

    Args:
        instance: what is to be indexed; by default `make_instance()`.
        tenant: whose it is.
        fields: fields of `Entry`, in place of what is made up.
    """
    one = instance or make_instance()
    made: dict[str, Any] = {
        "tenant": tenant,
        "key": f"{tenant}/{one.study_uid}/{one.series_uid}/{one.sop_uid}-{one.sha256[:8]}.dcm",
        "instance": one,
        "metadata": b'{"00080018":{"vr":"UI","Value":["%s"]}}' % one.sop_uid.encode(),
        "received": _RECEIVED,
    } | fields
    return Entry(**made)
