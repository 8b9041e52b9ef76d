"""Log records: what they refuse, what they forget, what they show."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from dicom_common.core import LogPosition, ReceivedObject, WebAccess

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def received(**fields: Any) -> ReceivedObject:
    made: dict[str, Any] = {
        "id": "r1", "time": MOMENT, "tenant": "local", "study_uid": "1.2", "series_uid": "1.2.3", "sop_uid": "1.2.3.4",
        "key": "k", "size": 1, "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    }  # fmt: skip
    return ReceivedObject(**(made | fields))


def access(**fields: Any) -> WebAccess:
    made: dict[str, Any] = {
        "id": "a1", "time": MOMENT, "tenant": "local", "method": "GET", "path": "/studies", "status": 200,
    }  # fmt: skip
    return WebAccess(**(made | fields))


def test_a_repr_shows_nothing_of_a_patient() -> None:
    shown = repr(received(patient_id="CANARY", accession_number="CANARY", key="CANARY", source_ae="CANARY"))
    shown += repr(access(query="PatientName=CANARY", path="/CANARY", user="CANARY", headers={"X": "CANARY"}))
    assert "CANARY" not in shown
    assert "r1" in shown
    assert "a1" in shown


def test_credentials_are_not_kept() -> None:
    headers = {
        "Accept": "a/b",
        "AUTHORIZATION": "Bearer t",
        "cookie": "c",
        "Proxy-Authorization": "p",
        "set-Cookie": "s",
    }
    assert access(headers=headers).headers == {"Accept": "a/b"}


@pytest.mark.parametrize("wrong", ["", "x" * 65, "\x00", "line\n", "日本"])
def test_an_id_that_is_none_is_refused(wrong: str) -> None:
    for make in (received, access):
        with pytest.raises(ValueError, match="id of a log record"):
            make(id=wrong)


def test_a_time_without_a_zone_is_refused() -> None:
    for make in (received, access):
        with pytest.raises(ValueError, match="zone"):
            make(time=datetime(2026, 3, 1))  # noqa: DTZ001 - the very thing that is refused


def test_a_record_knows_its_position_and_crosses_processes() -> None:
    for record in (received(), access(headers={"Accept": "a/b"})):
        assert record.position == LogPosition(MOMENT, record.id)
        assert pickle.loads(pickle.dumps(record)) == record
