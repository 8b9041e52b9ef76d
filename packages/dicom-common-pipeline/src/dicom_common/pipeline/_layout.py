"""Where an instance lies in the storage: a template of validated segments."""

from __future__ import annotations

import secrets
import string
from datetime import date

from dicom_common.core import Instance, validate_key, validate_tenant
from dicom_common.dicom import hash_uid, validate_uid

__all__ = ["DEFAULT_LAYOUT", "UNDATED", "Layout"]

DEFAULT_LAYOUT = "{tenant}/{study_date}/{study_uid}/{series_uid}/{sop_uid}.dcm"
UNDATED = "undated"
"""Stands in a key for a Study Date that is absent or cannot be read."""

_FIELDS = frozenset(
    {"tenant", "study_date", "study_uid", "series_uid", "sop_uid", "study_uid_hash", "series_uid_hash", "sop_uid_hash"}
)


class Layout:
    """Makes storage keys from a template.

    The fields are `{tenant}`, `{study_date}` (YYYYMMDD or `undated`), `{study_uid}`, `{series_uid}`, `{sop_uid}`, and
    `{study_uid_hash}`, `{series_uid_hash}`, `{sop_uid_hash}` (see `hash_uid`). A template starts with `{tenant}/`, so
    that tenants never share a folder, and has `{sop_uid}` or its hash in the last segment. A layout that is changed
    later leaves what is stored where it is: the index holds the keys.
    """

    def __init__(self, template: str = DEFAULT_LAYOUT) -> None:
        try:
            fields = [name for _, name, spec, conversion in string.Formatter().parse(template) if name is not None]
            plain = template.format_map(dict.fromkeys(_FIELDS, "x"))
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            known = ", ".join(sorted(_FIELDS))
            raise ValueError(f"layout is not a template of the fields {known}") from error
        if not template.startswith("{tenant}/"):
            raise ValueError("layout has to start with {tenant}/, so that tenants never share a folder")
        if not {"sop_uid", "sop_uid_hash"} & {field.partition(":")[0] for field in fields}:
            raise ValueError("layout has to hold {sop_uid} or {sop_uid_hash}: every instance needs a key of its own")
        validate_key(plain)
        if plain.split("/")[1] == "metadata":
            raise ValueError("layout must not put instances below {tenant}/metadata, where metadata documents lie")
        self._template = template
        self._hashes = "_hash}" in template

    def key(self, tenant: str, instance: Instance, *, unique: bool = False) -> str:
        """Return the key of an instance.

        With `unique`, a key that nobody else has made or will make: for bytes that are to stand beside others for a
        moment, because a good copy is only deleted when its replacement is durable.
        """
        fields = {
            "tenant": validate_tenant(tenant),
            "study_date": _date_segment(instance.study_date),
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


def _date_segment(value: date | None) -> str:
    return UNDATED if value is None else f"{value:%Y%m%d}"
