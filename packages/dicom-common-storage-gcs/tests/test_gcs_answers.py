"""Answers that succeed and are not the store's, as of a proxy between: no foreign error comes of them."""

from __future__ import annotations

import pytest
import requests

from dicom_common.core import UnavailableError
from dicom_common.storage.gcs._errors import Failures
from dicom_common.storage.gcs._objects import probed


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"versioning":' + b'{"a":' * 5_000,
        b"<html>log in</html>",
        b"[]",
        b'{"versioning": 3}',
        b'{"retentionPolicy": {"retentionPeriod": "long"}}',
        b'{"retentionPolicy": {"retentionPeriod": ' + b"9" * 5_000 + b"}}",
        b"\xff",
    ],
    ids=range(8),
)
def test_an_answer_that_is_not_the_stores_is_told_as_such(body: bytes) -> None:
    answer = requests.Response()
    answer.status_code, answer._content = 200, body
    with (
        pytest.raises(UnavailableError, match=r"store\.example is not one of Google"),
        Failures("bucket", "store.example", "nobody").garbled(),
    ):
        probed(answer)
