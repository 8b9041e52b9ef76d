"""Where an instance lies in the storage: a template of validated segments."""

from __future__ import annotations

import secrets
import string
from datetime import date

from dicom_common.core import Instance, validate_key, validate_tenant
from dicom_common.dicom import hash_uid, validate_uid

__all__ = ["DEFAULT_LAYOUT", "UNDATED", "Layout", "date_segment", "fields_of", "is_beside_instances"]

DEFAULT_LAYOUT = "{tenant}/{study_date}/{study_uid}/{series_uid}/{sop_uid}.dcm"
UNDATED = "undated"
"""Stands in a key for a Study Date that is absent or cannot be read."""

_LONGEST = {
    "tenant": "x" * 63,
    "study_date": UNDATED,
    **dict.fromkeys(("study_uid", "series_uid", "sop_uid"), "1" * 64),
    **dict.fromkeys(("study_uid_hash", "series_uid_hash", "sop_uid_hash"), "1" * 20),
}
"""The fields, each with a value as long as any: a key that is too long is found at the start, not by a patient."""
_TOKEN = "~0123456789abcdef"  # noqa: S105 - the shape of what makes a key unique; nothing secret


class Layout:
    """Makes storage keys from a template.

    The fields are `{tenant}`, `{study_date}` (`YYYYMMDD` or `undated`), `{study_uid}`, `{series_uid}`, `{sop_uid}`, and
    `{study_uid_hash}`, `{series_uid_hash}`, `{sop_uid_hash}` (see `hash_uid`). A template starts with `{tenant}/`, so
    that tenants never share a folder, and has `{sop_uid}` or its hash in the last segment. A layout that is changed
    later leaves what is stored where it is: the index holds the keys.
    """

    def __init__(self, template: str = DEFAULT_LAYOUT) -> None:
        fields = fields_of(template)
        if not template.startswith("{tenant}/"):
            raise ValueError("layout has to start with {tenant}/, so that tenants never share a folder")
        if not {"sop_uid", "sop_uid_hash"} & set(fields_of(template.rpartition("/")[2])):
            raise ValueError("layout has to hold {sop_uid} or {sop_uid_hash} behind its last /: each has its own key")
        longest = template.format_map(_LONGEST)
        validate_key(longest + _TOKEN)
        if is_beside_instances(longest):
            raise ValueError(
                f"layout must not put instances below {{tenant}}/{longest.split('/')[1]}: others lie there"
            )
        self._hashes = any(name.endswith("_hash") for name in fields)
        self._template = template

    def key(self, tenant: str, instance: Instance, *, unique: bool = False) -> str:
        """Return the key of an instance.

        With `unique`, a key that was never made before and will not be again: for bytes that are to stand beside
        others for a moment, because a good copy is only deleted when its replacement is durable.
        """
        fields = {
            "tenant": validate_tenant(tenant),
            "study_date": date_segment(instance.study_date),
            "study_uid": validate_uid(instance.study_uid),
            "series_uid": validate_uid(instance.series_uid),
            "sop_uid": validate_uid(instance.sop_uid),
        }
        if self._hashes:
            fields |= {f"{name}_hash": hash_uid(fields[name]) for name in ("study_uid", "series_uid", "sop_uid")}
        key = self._template.format_map(fields)
        if unique:
            stem, dot, suffix = key.rpartition(".")
            token = secrets.token_hex(8)
            key = f"{stem}~{token}.{suffix}" if dot and "/" not in suffix else f"{key}~{token}"
        return validate_key(key)


def is_beside_instances(key: str) -> bool:
    """Tell whether a key is in a folder of a tenant that holds no instances.

    `metadata` has documents, `commitments` what the storage commitments of dicom-common-dimse remember.
    """
    return key.split("/", 2)[1:2] in (["metadata"], ["commitments"])


def fields_of(template: str) -> list[str]:
    """Return the names of the fields, each of which is plain: a part of a UID would not be unique."""
    try:
        parsed = [field for field in string.Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        raise ValueError("layout is not a template: write a brace that is meant as such twice") from error
    for _, name, spec, conversion in parsed:
        if name not in _LONGEST or spec or conversion:
            raise ValueError(f"layout has a field that is not one of {{{'}, {'.join(sorted(_LONGEST))}}}")
    return [str(name) for _, name, _, _ in parsed]


def date_segment(value: date | None) -> str:
    """Return what stands in a key for a Study Date."""
    return UNDATED if value is None else f"{value.year:04}{value.month:02}{value.day:02}"
