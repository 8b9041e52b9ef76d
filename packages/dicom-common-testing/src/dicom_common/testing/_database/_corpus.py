"""Searches and their answers, as data: every index has to give the same.

`CORPUS` are the instances; each of `SEARCHES` says what a search of them finds, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from dicom_common.core import Instance, Level, PersonName, RequestAttributes
from dicom_common.testing._instances import CT_IMAGE, make_instance

__all__ = ["CORPUS", "SEARCHES", "Search"]

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"

_NAMES = {
    1: PersonName("Doe^John^^Dr"),
    2: PersonName("DOE^JANE"),
    3: PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう"),
    4: PersonName("Müller^Jürgen"),
    5: PersonName("O'Neil^[x]%_"),
    6: None,
    7: PersonName("Doe^John"),
}
_IDS = {1: "P1", 2: "p1", 3: "P_1", 4: "P%1", 5: "P[1]", 6: "", 7: "P1"}
_ISSUERS = {4: "HOSP", 7: "OTHER"}
_DATES = {
    1: date(2026, 1, 1),
    2: date(2026, 1, 2),
    3: date(2026, 1, 2),
    4: None,
    5: date(2025, 12, 31),
    6: date(2025, 12, 31),
    7: date(2026, 1, 1),
}
_TIMES = {1: time(22, 30), 2: time(1, 15), 3: time(12, 0, 0, 500_000), 4: time(9), 5: None, 6: time(0), 7: time(8)}
_ACCESSIONS = {1: "A100", 2: "a100", 3: "A_100", 4: "A%100", 5: "A\\100", 6: None, 7: "' OR 1=1--"}


def _of(study: int, series: int, number: int | None, **attributes: Any) -> Instance:
    last = number if number is not None else 9
    made: dict[str, Any] = {
        "patient_id": _IDS[study],
        "issuer_of_patient_id": _ISSUERS.get(study),
        "patient_name": _NAMES[study],
        "study_date": _DATES[study],
        "study_time": _TIMES[study],
        "accession_number": _ACCESSIONS[study],
        "instance_number": number,
    }
    return make_instance(last, study=study, series=series, **(made | attributes))


_HOUSE = {"referring_physician_name": PersonName("House^Gregory"), "study_id": "S1", "study_description": "Head 100%",
          "patient_sex": "M", "patient_weight": 70.5}  # fmt: skip
_STEP = {"request_attributes": (RequestAttributes("SPS_1", "RP1"), RequestAttributes("SPS-2", None))}

CORPUS: tuple[Instance, ...] = (
    _of(1, 1, 1, image_type=("ORIGINAL", "PRIMARY", "AXIAL"), slice_thickness=1.5, rows=512, **_HOUSE, **_STEP),
    _of(1, 1, 2, image_type=("DERIVED", "SECONDARY"), slice_thickness=5.0, rows=256, **_HOUSE, **_STEP),
    _of(1, 2, 1, modality="SR", sop_class_uid=REPORT, **_HOUSE),
    _of(2, 1, None, modality="MR", sop_class_uid=MR_IMAGE, series_number=None),
    _of(
        3, 1, 1, modality="MR", sop_class_uid=MR_IMAGE, performed_procedure_step_start_date=date(2026, 1, 2),
        performed_procedure_step_start_time=time(9), series_description="T1 [axial]",
    ),
    _of(3, 10, 1, modality="MR", sop_class_uid=MR_IMAGE, series_number=10),
    _of(3, 2, 12, modality="OT", series_number=2),
    _of(4, 1, 1, series_number=3, request_attributes=(RequestAttributes("SPS%1", "rp1"),)),
    _of(
        5, 1, 1, modality="US", sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1",
        referring_physician_name=PersonName("Strauß^Éva"), slice_thickness=0.000001, study_id="x" * 400,
        study_description="“quoted” \u2018twice\u2019 %s %(a)s :a $1 {a} ?",
    ),
    _of(6, 1, 1, modality=None, study_description="\U0001f600 smile", study_id="x" * 300),
    _of(7, 1, 1, series_number=-1),
)  # fmt: skip
"""Seven studies of seven patients, with values that trap a careless index."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search of `CORPUS`, and the UIDs (at the patient level: the Patient IDs) of what it finds, in order."""

    level: Level
    keys: Mapping[str, str]
    expected: tuple[str, ...]
    limit: int | None = field(default=None, kw_only=True)
    offset: int = field(default=0, kw_only=True)

    def __str__(self) -> str:
        keys = "&".join(f"{key}={value}" for key, value in self.keys.items())
        return f"{self.level.name.lower()}?{keys[:60]}"


def _studies(expected: str, limit: int | None = None, offset: int = 0, /, **keys: str) -> Search:
    return Search(Level.STUDY, keys, tuple(f"1.2.3.{n}" for n in expected.split()), limit=limit, offset=offset)


def _request(expected: str, item: str, value: str) -> Search:
    uids = tuple(f"1.2.3.{n}" for n in expected.split())
    return Search(Level.STUDY, {f"RequestAttributesSequence.{item}": value}, uids)


def _requests(expected: str, step: str, procedure: str) -> Search:
    uids = tuple(f"1.2.3.{n}" for n in expected.split())
    item = "RequestAttributesSequence"
    return Search(
        Level.STUDY, {f"{item}.ScheduledProcedureStepID": step, f"{item}.RequestedProcedureID": procedure}, uids
    )


def _series(expected: str, **keys: str) -> Search:
    return Search(Level.SERIES, keys, tuple(f"1.2.3.{n}" for n in expected.split()))


def _instances(expected: str, **keys: str) -> Search:
    return Search(Level.INSTANCE, keys, tuple(f"1.2.3.{n}" for n in expected.split()))


_ALL = "2 3 1 7 5 6 4"

SEARCHES: tuple[Search, ...] = (
    # Everything, and the order: the latest date first, an absent value last.
    _studies(_ALL),
    _studies("2 3 1", 3),
    _studies("7 5", 2, 3),
    _studies("", 0),
    _studies("5 6 4", None, 4),
    _studies("", 5, 100),
    _series("2.1 3.1 3.2 3.10 1.1 1.2 7.1 5.1 6.1 4.1"),
    _instances("2.1.9 3.1.1 3.2.12 3.10.1 1.1.1 1.1.2 1.2.1 7.1.1 5.1.1 6.1.1 4.1.1"),
    Search(Level.PATIENT, {}, ("P%1", "P1", "P1", "P[1]", "P_1", "p1", "")),
    # A single value: case counts, nothing in it is special.
    _studies("1 7", PatientID="P1"),
    _studies("2", PatientID="p1"),
    _studies("3", PatientID="P_1"),
    _studies("4", PatientID="P%1"),
    _studies("5", PatientID="P[1]"),
    _studies("", PatientID="P"),
    _studies("7", PatientID="P1", IssuerOfPatientID="OTHER"),
    _studies("1", AccessionNumber="A100"),
    _studies("5", AccessionNumber="A\\100"),
    _studies("7", AccessionNumber="' OR 1=1--"),
    _studies("", AccessionNumber='"; DROP TABLE study; --'),
    _studies("", AccessionNumber="A" * 10_000),
    _studies("1", StudyID="S1"),
    _studies("1", StudyDescription="Head 100%"),
    _studies("", StudyDescription="Head 100_"),
    _studies("1", PatientSex="M"),
    _studies("1", PatientWeight="70.50"),
    _studies("2", **{"00100020": "p1"}),
    _studies("2", **{"0020000d": "1.2.3.2"}),
    _studies("1 7", PatientID=" P1 "),
    _studies("5", StudyDescription="“quoted” \u2018twice\u2019 %s %(a)s :a $1 {a} ?"),
    _studies("", StudyDescription='"quoted" \u2018twice\u2019 %s %(a)s :a $1 {a} ?'),
    _studies("6", StudyDescription="\U0001f600 smile"),
    # Text that is longer than an index takes: found whole, by its beginning, and told from what begins alike.
    _studies("5", StudyID="x" * 400),
    _studies("6", StudyID="x" * 300),
    _studies("", StudyID="x" * 350),
    _studies("5 6", StudyID="xxx*"),
    # A list of UIDs.
    _studies("2 3", StudyInstanceUID="1.2.3.3,1.2.3.2,1.2.3.99"),
    _studies("2 3 1", StudyInstanceUID="1.2.3.3\\1.2.3.2\\1.2.3.1"),
    _studies("", StudyInstanceUID="1.2.3.*"),
    _studies("2", StudyInstanceUID="1.2.3.2"),
    _studies("2 3 1 7", 4, StudyInstanceUID=",".join(f"1.2.3.{n}" for n in range(1, 8))),
    _series("1.1 1.2", SeriesInstanceUID="1.2.3.1.2,1.2.3.1.1"),
    _instances("1.1.1 5.1.1", SOPInstanceUID="1.2.3.5.1.1,1.2.3.1.1.1"),
    # Wildcards: `*` and `?` only, and case counts.
    _studies("3 1 7 5 4", PatientID="P*"),
    _studies("2 1 7", PatientID="?1"),
    _studies("3", PatientID="P_*"),
    _studies("4", PatientID="P%*"),
    _studies("5", PatientID="P[*"),
    _studies("5", PatientID="*[1]"),
    _studies("3 5 4", PatientID="P?1*"),
    _studies("1", AccessionNumber="A1*"),
    _studies("3 5 4", AccessionNumber="A?100"),
    _studies("5", AccessionNumber="A\\*"),
    _studies("7", AccessionNumber="*'*"),
    _studies("", AccessionNumber="*b*"),
    _studies("2 3 1 7 5 4", AccessionNumber="?*"),
    _studies(_ALL, AccessionNumber="*"),
    _studies(_ALL, AccessionNumber=""),
    _studies("1", StudyDescription="*%"),
    _studies("5", StudyDescription="“*"),
    _studies("5", StudyDescription="*\u2018twice\u2019*"),
    _studies("5", StudyDescription="*%s*"),
    _studies("5", StudyDescription="*:a $1 {a} ?"),
    _studies("6", StudyDescription="?*smile"),
    _studies("6", StudyDescription="\U0001f600*"),
    _studies("", StudyDescription="\U0001f601*"),
    _studies("1 5 6", StudyDescription="?*"),
    _studies("", AccessionNumber="A" * 1000 + "*"),
    _studies("2", PatientID="p?*"),
    _studies("", PatientID="P??????*"),
    _series("3.1", SeriesDescription="*[axial]"),
    _series("3.1", SeriesDescription="T1 [*"),
    _series("", SeriesDescription="t1*"),
    # Names: case does not count, and any component group is enough.
    _studies("7", PatientName="doe^john"),
    _studies("1", PatientName="DOE^JOHN^^DR"),
    _studies("2 1 7", PatientName="doe^*"),
    _studies("2 1 7", PatientName="DOE*"),
    _studies("1 7", PatientName="*john*"),
    _studies("2 1 7", PatientName="d?e^j*"),
    _studies("4", PatientName="MÜLLER*"),
    _studies("4", PatientName="müller^jürgen"),
    _studies("", PatientName="muller*"),
    _studies("3", PatientName="yamada*"),
    _studies("3", PatientName="山田*"),
    _studies("3", PatientName="やまだ^たろう"),
    _studies("3", PatientName="=山田*"),
    _studies("3", PatientName="yamada*=山田^太郎"),
    _studies("", PatientName="doe*=山田*"),
    _studies("5", PatientName="o'neil*"),
    _studies("5", PatientName="*[x]%_"),
    _studies("", PatientName="*[y]*"),
    _studies("1", ReferringPhysicianName="HOUSE*"),
    _studies("5", ReferringPhysicianName="strauß*"),
    _studies("5", ReferringPhysicianName="STRAUSS^éva"),
    _studies("5", ReferringPhysicianName="*E\u0301VA"),  # a letter and an accent are the letter with the accent
    _studies("7", PatientName="Doe^John^"),
    _studies("2 3 1 7 5 6 4", PatientName="*"),
    _studies("", PatientName="%"),
    _studies("", PatientName="doe^_*"),
    _studies("2 1", StudyInstanceUID="1.2.3.1,1.2.3.2", PatientName="doe*"),
    Search(Level.PATIENT, {"PatientName": "doe*"}, ("P1", "P1", "p1")),
    # Dates and times, ranges of them, and the two as one point in time.
    _studies("2 3", StudyDate="20260102"),
    _studies("2 3 1 7", StudyDate="20260101-20260102"),
    _studies("1 7 5 6", StudyDate="-20260101"),
    _studies("2 3 1 7", StudyDate="20260101-"),
    _studies("2 3", StudyDate="2026.01.02"),
    _studies("", StudyDate="19000101-20001231"),
    _studies("7", StudyTime="08"),
    _studies("3 4", StudyTime="0900-1259"),
    _studies("2 6", StudyTime="-0759"),
    _studies("3", StudyTime="120000.5"),
    _studies("2 1", StudyDate="20260101-20260102", StudyTime="2200-0200"),
    _studies("3", StudyDate="20260102-", StudyTime="0200-"),
    _studies("1 7 6", StudyDate="20251231-20260101", StudyTime="0000-2359"),
    _studies("1 7", StudyDate="20260101", StudyTime="0800-2300"),
    _studies("2 3 1 7", StudyDate="2026.01.01-2026.01.02"),
    _studies("1", StudyTime="22"),
    _studies("1", StudyTime="2230"),
    _studies("", StudyTime="2231"),
    _studies("1", StudyTime="2200-"),
    _studies("3", StudyTime="120000.4-120000.6"),
    # Open ends of a date and a time together; a study of the last day without a time is in no such range.
    _studies("5 6", StudyDate="-20260101", StudyTime="-0759"),
    _studies("2 3 1", StudyDate="20260101-", StudyTime="0801-"),
    _studies("2 1 7 5 6", StudyDate="-20260102", StudyTime="-0200"),
    _studies("2", StudyDate="20260102-20260102", StudyTime="0000-0200"),
    # A time that is one value is asked for by itself, on each of the days.
    _studies("7", StudyDate="20251231-20260102", StudyTime="08"),
    _series("3.1", PerformedProcedureStepStartDate="20260102"),
    _series("3.1", PerformedProcedureStepStartDate="20260101-20260102", PerformedProcedureStepStartTime="08-0930"),
    _series("", PerformedProcedureStepStartTime="10-"),
    # Numbers are numbers.
    _series("3.10", SeriesNumber="10"),
    _series("3.10", SeriesNumber="010.0"),
    _series("7.1", SeriesNumber="-1"),
    _instances("3.2.12", InstanceNumber="12"),
    _series("3.1 1.1 5.1 6.1", SeriesNumber="+1"),
    _instances("1.1.1", SliceThickness="1.50"),
    _instances("1.1.1", SliceThickness="15e-1"),
    _instances("5.1.1", SliceThickness="0.0000010"),
    _instances("", SliceThickness="1.5000001"),
    _instances("1.1.1", Rows="0512"),
    _instances("", Rows="99999999999999999999"),
    _instances("1.1.2", Rows="256"),
    # Several values: any of them is enough.
    _instances("1.1.1", ImageType="AXIAL"),
    _instances("1.1.1 1.1.2", ImageType="*ARY"),
    _instances("1.1.2", ImageType="SECONDARY"),
    _instances("", ImageType="ORIGINAL*AXIAL"),
    # A key of a lower level holds where any child does; one of an upper level for all below.
    _studies("1 7 4", ModalitiesInStudy="CT"),
    _studies("3", ModalitiesInStudy="OT"),
    _studies("2 3", ModalitiesInStudy="M*"),
    _studies("", ModalitiesInStudy="ct"),
    _studies("2 3 1", ModalitiesInStudy="?R"),
    _studies("2 3 1 7 5 4", ModalitiesInStudy="?*"),  # an absent one matches no wildcard but `*`
    _studies(_ALL, ModalitiesInStudy="*"),
    _studies("3 1", ModalitiesInStudy="*", SeriesNumber="2"),
    _studies("2 3", 2, ModalitiesInStudy="M*", StudyDate="20260101-"),
    _studies("7", ModalitiesInStudy="CT", StudyTime="08"),
    _studies("1", ModalitiesInStudy="S?", Modality="CT"),
    _studies("1", Modality="SR"),
    _studies("1", ModalitiesInStudy="CT", Modality="SR"),
    _series("1.1 1.2", ModalitiesInStudy="SR"),
    _instances("1.1.1 1.1.2 1.2.1", ModalitiesInStudy="SR"),
    Search(Level.PATIENT, {"ModalitiesInStudy": "MR"}, ("P_1", "p1")),
    _studies("2 3", SOPClassUID=MR_IMAGE),
    _studies("3 1 7 6 4", SOPClassUID=CT_IMAGE),
    _series("1.2", SOPClassUID=REPORT),
    Search(Level.PATIENT, {"SOPClassUID": REPORT}, ("P1",)),
    _studies("3", SOPInstanceUID="1.2.3.3.2.12"),
    _series("3.2", SOPInstanceUID="1.2.3.3.2.12"),
    _studies("3", SeriesInstanceUID="1.2.3.3.10"),
    _studies("3", SeriesNumber="10"),
    _studies("3", InstanceNumber="12"),
    _studies("1", Rows="512"),
    Search(Level.PATIENT, {"StudyDate": "20260102"}, ("P_1", "p1")),
    Search(Level.PATIENT, {"AccessionNumber": "a100"}, ("p1",)),
    Search(Level.PATIENT, {"SeriesInstanceUID": "1.2.3.4.1"}, ("P%1",)),
    _series("3.1 3.2 3.10", StudyInstanceUID="1.2.3.3"),
    _instances("1.1.1 1.1.2", SeriesInstanceUID="1.2.3.1.1", PatientID="P1"),
    _instances("3.1.1 3.10.1", PatientName="yamada*", Modality="MR"),
    # The items of Request Attributes Sequence.
    _request("1", "ScheduledProcedureStepID", "SPS_1"),
    _request("1", "ScheduledProcedureStepID", "SPS-2"),
    _request("1 4", "ScheduledProcedureStepID", "SPS*"),
    _request("4", "ScheduledProcedureStepID", "SPS%*"),
    _request("4", "RequestedProcedureID", "rp1"),
    _request("1", "RequestedProcedureID", "RP1"),
    _request("", "RequestedProcedureID", "RP2"),
    _request("1 4", "ScheduledProcedureStepID", "SPS?1"),
    _request("", "ScheduledProcedureStepID", "SPS"),
    _requests("1", "SPS_1", "RP1"),
    _requests("1 4", "SPS*", "??1"),
    _requests("", "SPS-2", "RP1"),  # both are there, in two items
    _requests("", "SPS%1", "RP1"),
    _requests("1", "SPS_1", "RP*"),
    Search(Level.SERIES, {"00400275.00401001": "RP1"}, ("1.2.3.1.1",)),
    Search(Level.INSTANCE, {"00400275.00401001": "RP1"}, ("1.2.3.1.1.1", "1.2.3.1.1.2")),
    Search(Level.PATIENT, {"00400275.00400009": "SPS-2"}, ("P1",)),
)
