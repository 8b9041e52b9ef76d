"""BulkDataURIs become absolute, and nothing else is touched, whatever texts a data set has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from made_attributes import element, reading
from made_elements import item

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, absolute_bulk_data, read

URL = "https://pacs.example:8443/dicom-web"


def made_absolute(value: Any) -> Any:
    """Do the same to a parsed object."""
    if isinstance(value, dict):
        return {
            key: f"{URL}/{one}" if key == "BulkDataURI" and str(one).startswith("studies/") else made_absolute(one)
            for key, one in value.items()
        }
    return [made_absolute(one) for one in value] if isinstance(value, list) else value


def test_every_file(corpus_file: Path) -> None:
    try:
        metadata = read(corpus_file).metadata
    except DicomError:
        return
    assert json.loads(absolute_bulk_data(metadata, URL)) == made_absolute(json.loads(metadata))


def test_nested_uris_and_texts_that_look_like_one() -> None:
    text = b'"BulkDataURI":"studies/1" \\"BulkDataURI\\":\\"studies/2'
    nested = item(element(0x00091001, "OB", bytes(80)) + element(0x00091002, "UT", text))
    made = reading(
        *(element(0x0040A730, "SQ", nested), element(0x00104000, "LT", text), element(0x7FE00010, "OW", bytes(8))),
        settings=ReaderSettings(bulk_data_threshold=60),
    )
    absolute = absolute_bulk_data(made.metadata, URL)
    assert absolute.count(URL.encode()) == 2
    assert json.loads(absolute) == made_absolute(json.loads(made.metadata))


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.text() | st.sampled_from(['"BulkDataURI":"studies/', "BulkDataURI"]),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_no_text_is_taken_for_a_uri(values: dict[str, Any]) -> None:
    for separators in ((",", ":"), (" , ", " : ")):
        written = json.dumps({"00091001": {"vr": "OB", "BulkDataURI": "studies/1"}, "x": values}, separators=separators)
        assert json.loads(absolute_bulk_data(written.encode(), URL)) == made_absolute(json.loads(written))


@pytest.mark.parametrize("uri", ["https://other.example/studies/1", "../bulkdata/1", "/studies/1", "urn:x"])
def test_other_uris_stay_as_they_are(uri: str) -> None:
    written = json.dumps({"00091001": {"vr": "OB", "BulkDataURI": uri}}).encode()
    assert absolute_bulk_data(written, URL) == written


def test_a_root_with_and_without_a_slash_and_none() -> None:
    written = b'{"00091001":{"vr":"OB","BulkDataURI":"studies/1"}}'
    assert absolute_bulk_data(written, "http://x/") == absolute_bulk_data(written, "http://x")
    assert absolute_bulk_data(written, "") == written
    assert json.loads(absolute_bulk_data(written, 'http://x/\\g<0>"'))["00091001"]["BulkDataURI"].startswith(
        "http://x/\\g"
    )
