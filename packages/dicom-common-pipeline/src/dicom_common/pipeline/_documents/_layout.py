"""Where the metadata documents lie in the storage."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

from dicom_common.core import validate_key, validate_tenant
from dicom_common.dicom import validate_uid
from dicom_common.pipeline._layout import UNDATED, date_segment, fields_of

__all__ = ["DEFAULT_DOCUMENT_LAYOUT", "DocumentLayout", "Subject", "is_document"]

DEFAULT_DOCUMENT_LAYOUT = "{tenant}/metadata/{study_date}/{study_uid}"
_BEGINNING = "{tenant}/metadata/"
_SUFFIX = ".json"
_LONGEST = {"tenant": "x" * 63, "study_date": UNDATED, "study_uid": "1" * 64}


class Subject(NamedTuple):
    """What a document is of."""

    tenant: str
    study_uid: str
    series_uid: str | None


class DocumentLayout:
    """Makes the storage keys of metadata documents from a template.

    The fields are `{tenant}`, `{study_date}` (`YYYYMMDD` or `undated`) and `{study_uid}`. A template starts with
    `{tenant}/metadata/`, so that it is never taken for an instance, and ends with `/{study_uid}`. A study's
    document has this key and `.json`, that of a series `/<Series Instance UID>.json` behind it. After a change of
    the layout, delete the documents of the old one.
    """

    def __init__(self, template: str = DEFAULT_DOCUMENT_LAYOUT) -> None:
        if set(fields_of(template)) - set(_LONGEST):
            raise ValueError(f"layout has a field that is not one of {{{'}, {'.join(sorted(_LONGEST))}}}")
        if not template.startswith(_BEGINNING):
            raise ValueError("layout has to start with {tenant}/metadata/: nothing there is taken for an instance")
        if template.rpartition("/")[2] != "{study_uid}":
            raise ValueError("layout has to end with /{study_uid}: each study has its own document")
        validate_key(template.format_map(_LONGEST) + "/" + "1" * 64 + _SUFFIX)
        self._template = template
        # The text between the fields is taken as it is.
        pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
        fields = {"tenant": "(?P<tenant>[^/]+)", "study_date": "[^/]+", "study_uid": "(?P<study>[^/]+?)"}
        self._pattern = re.compile(pattern.format_map(fields) + "(?:/(?P<series>[^/]+))?" + re.escape(_SUFFIX))

    def key(self, tenant: str, study_date: date | None, study_uid: str, series_uid: str | None = None) -> str:
        """Return the key of the document of a study, or of one of its series."""
        key = self._template.format(
            tenant=validate_tenant(tenant), study_date=date_segment(study_date), study_uid=validate_uid(study_uid)
        )
        return validate_key(key + ("" if series_uid is None else f"/{validate_uid(series_uid)}") + _SUFFIX)

    def subject(self, key: str) -> Subject | None:
        """Return what the document at a key is of; None where the key is not of this layout."""
        found = self._pattern.fullmatch(key)
        return None if found is None else Subject(found["tenant"], found["study"], found["series"])


def is_document(key: str) -> bool:
    """Tell whether a key is below `<tenant>/metadata/`: what lies there is made from the index."""
    return key.split("/", 2)[1:2] == ["metadata"]
