"""The conditions that matching keys come to."""

from __future__ import annotations

from dicom_common.core import Level
from dicom_common.dicom import parse_query


def conditions(*pairs: tuple[str, str]) -> tuple[object, ...]:
    return parse_query("local", Level.STUDY, pairs).conditions
