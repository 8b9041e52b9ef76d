"""Every outcome of an ingest has the status codes of the standard, for STOW-RS and for C-STORE."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.core import Finding
from dicom_common.dicom import Reason, Rule
from dicom_common.pipeline import IngestReason, IngestRule, Received, Result, Status, StatusCodes, status_codes
from dicom_common.pipeline._ingest._status_codes import DOUBTFUL, HARMLESS, STATUSES

SUCCESS = StatusCodes(failure_reason=None, warning_reason=None, c_store=0x0000)
B007 = StatusCodes(failure_reason=None, warning_reason=0xB007, c_store=0xB007)
ACKNOWLEDGED: dict[IngestReason | Reason, int] = {
    IngestReason.SAME_BYTES: 0x0000,
    IngestReason.SAME_DATA_SET: 0x0000,
    IngestReason.RESTORED: 0x0000,
    IngestReason.KEPT_FIRST: 0xB006,
}


def failure(code: int) -> StatusCodes:
    return StatusCodes(failure_reason=code, warning_reason=None, c_store=code)


def result(status: Status, reason: str = "", *rules: str) -> Result:
    findings = tuple(Finding("00080020", rule, "left out") for rule in rules)
    return Result(name="one", status=status, reason=reason, warnings=findings)


def test_every_reason_is_in_the_table() -> None:
    assert set(STATUSES) == {*IngestReason, *Reason}
    assert len({str(reason) for reason in STATUSES}) == len(STATUSES), "a code means one thing"


@pytest.mark.parametrize("reason", [*IngestReason, *Reason], ids=str)
def test_every_code_is_one_that_the_standard_has(reason: IngestReason | Reason) -> None:
    if reason in ACKNOWLEDGED:
        codes = status_codes(result(Status.DUPLICATE, reason))
        assert (codes.failure_reason, codes.c_store) == (None, ACKNOWLEDGED[reason])
        assert codes.warning_reason == (ACKNOWLEDGED[reason] or None)
        return
    codes = status_codes(result(Status.REJECTED, reason))
    assert codes.warning_reason is None
    assert codes.failure_reason == codes.c_store
    code = codes.c_store
    assert code in {0x0110, 0x0111, 0x0122, 0x0124} or code >> 8 in {0xA7, 0xA9} or code >> 12 == 0xC


def test_what_may_succeed_later_is_out_of_resources() -> None:
    for reason in IngestReason:
        if reason.endswith(("-unavailable", "-busy")):
            assert status_codes(result(Status.REJECTED, reason)) == failure(0xA700)


def test_every_rule_is_a_warning_or_none() -> None:
    assert {*Rule, *IngestRule} == DOUBTFUL | HARMLESS
    assert not DOUBTFUL & HARMLESS


@pytest.mark.parametrize("rule", [*Rule, *IngestRule], ids=str)
@pytest.mark.parametrize("status", [Status.STORED, Status.QUEUED, Status.REPLACED], ids=str)
def test_findings_are_warnings_where_they_leave_a_doubt(rule: Rule | IngestRule, status: Status) -> None:
    expected = B007 if rule in DOUBTFUL else SUCCESS
    assert status_codes(result(status, "", "zeros", rule)) == expected
    assert status_codes(result(Status.DUPLICATE, IngestReason.SAME_BYTES, rule)) == SUCCESS
    assert status_codes(result(Status.REJECTED, IngestReason.DUPLICATE_DIFFERS, rule)) == failure(0x0111)


def test_a_reason_of_a_later_version_is_a_failure() -> None:
    assert status_codes(result(Status.REJECTED, "something-new")) == failure(0x0110)


def test_real_answers(site: Site, make: Make) -> None:
    good, other = make(1), make(1, payload=b"other")
    stored, same, differs, moved, bad, nothing = site.store(
        *(good, good, other, make(1, StudyInstanceUID="2.25.9"), b"no DICOM", b"")
    )
    assert [status_codes(one) for one in (stored, same)] == [SUCCESS, SUCCESS]
    assert [status_codes(one) for one in (differs, moved)] == [failure(0x0111), failure(0xA901)]
    assert [status_codes(one) for one in (bad, nothing)] == [failure(0xC002), failure(0xC001)]
    [other_patient] = site.store(make(2, patient="P2"))
    assert status_codes(other_patient) == B007
    [refused] = site.store(make(3, patient="P2"), ingest__other_patient="reject")
    assert status_codes(refused) == failure(0xA902)
    [kept] = site.store(other, ingest__duplicates="keep")
    assert status_codes(kept).c_store == 0xB006


# The SOP Class UID, and the one study that is taken


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(size)


CLASS = "1.2.840.10008.5.1.4.1.1.7"


def test_the_sop_class_uid_is_known_wherever_the_header_was_read(site: Site, make: Make) -> None:
    results = site.store(make(1), make(1), make(1, payload=b"other"), make(2))
    assert [one.status for one in results] == ["stored", "duplicate", "rejected", "stored"]
    assert [one.sop_class_uid for one in results] == [CLASS] * 4
    [unread, unavailable] = [*site.store(b"no DICOM"), *site.store(make(3), ingest__mode="queued")]
    assert (unread.sop_class_uid, unavailable.sop_class_uid) == (None, CLASS)


Wrap = Callable[[bytes], Any]


@pytest.mark.parametrize("wrap", [bytes, io.BytesIO, Pipe], ids=["bytes", "file", "stream"])
@pytest.mark.parametrize("payload", [b"", bytes(600_000)], ids=["short", "long"])
@pytest.mark.parametrize("mode", ["direct", "queued"])
def test_an_instance_of_another_study_is_refused_before_it_is_written(
    site: Site, make: Make, wrap: Wrap, payload: bytes, mode: str
) -> None:
    received = [
        Received(source=wrap(make(sop, study=study, payload=payload)), name=str(sop))
        for sop, study in ((1, 1), (2, 2), (3, 1))
    ]
    with site.ingest(ingest__mode=mode) as ingest:
        first, other, last = ingest.store(received, tenant="local", study_uid="2.25.1.1")
        late = ingest.submit(
            Received(source=wrap(make(4, study=2, payload=payload)), name="4"), tenant="local", study_uid="2.25.1.1"
        ).result(60)
    taken = "stored" if mode == "direct" else "queued"
    assert [first.status, other.status, last.status, late.status] == [taken, "rejected", taken, "rejected"]
    assert {other.reason, late.reason} == {IngestReason.OTHER_STUDY}
    assert (other.study_uid, other.sop_class_uid, other.retry) == ("2.25.1.2", CLASS, False)
    assert status_codes(other) == failure(0xA903)
    assert len(site.objects) == 2
    assert not list(site.data.rglob("*.part"))


def test_an_instance_of_another_study_that_is_indexed_is_refused_all_the_same(site: Site, make: Make) -> None:
    site.store(make(1, study=2))
    with site.ingest() as ingest:
        [again] = ingest.store([Received(source=make(1, study=2), name="1")], tenant="local", study_uid="2.25.1.1")
        [free] = ingest.store([Received(source=make(1, study=2), name="1")], tenant="local")
    assert (again.status, again.reason) == ("rejected", "other-study")
    assert free.status == "duplicate"
