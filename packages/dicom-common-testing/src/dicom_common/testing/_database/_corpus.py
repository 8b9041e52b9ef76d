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

__all__ = [
    "CORPUS",
    "MR_IMAGE",
    "REPORT",
    "SEARCHES",
    "Search",
    "of_instances",
    "of_request",
    "of_requests",
    "of_series",
    "of_studies",
]

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


# A key that is no keyword argument is given by `**`. The studies, series and instances are named by their last numbers.


def of_studies(expected: str, limit: int | None = None, offset: int = 0, /, **keys: str) -> Search:
    return Search(Level.STUDY, keys, tuple(f"1.2.3.{n}" for n in expected.split()), limit=limit, offset=offset)


def of_request(expected: str, item: str, value: str) -> Search:
    uids = tuple(f"1.2.3.{n}" for n in expected.split())
    return Search(Level.STUDY, {f"RequestAttributesSequence.{item}": value}, uids)


def of_requests(expected: str, step: str, procedure: str) -> Search:
    uids = tuple(f"1.2.3.{n}" for n in expected.split())
    item = "RequestAttributesSequence"
    return Search(
        Level.STUDY, {f"{item}.ScheduledProcedureStepID": step, f"{item}.RequestedProcedureID": procedure}, uids
    )


def of_series(expected: str, **keys: str) -> Search:
    return Search(Level.SERIES, keys, tuple(f"1.2.3.{n}" for n in expected.split()))


def of_instances(expected: str, **keys: str) -> Search:
    return Search(Level.INSTANCE, keys, tuple(f"1.2.3.{n}" for n in expected.split()))


_ALL = "2 3 1 7 5 6 4"

SEARCHES: tuple[Search, ...] = (
    # Everything, and the order: the latest date first, an absent value last.
    of_studies(_ALL),
    of_studies("2 3 1", 3),
    of_studies("7 5", 2, 3),
    of_studies("", 0),
    of_studies("5 6 4", None, 4),
    of_studies("", 5, 100),
    of_series("2.1 3.1 3.2 3.10 1.1 1.2 7.1 5.1 6.1 4.1"),
    of_instances("2.1.9 3.1.1 3.2.12 3.10.1 1.1.1 1.1.2 1.2.1 7.1.1 5.1.1 6.1.1 4.1.1"),
    Search(Level.PATIENT, {}, ("P%1", "P1", "P1", "P[1]", "P_1", "p1", "")),
    # A single value: case counts, nothing in it is special.
    of_studies("1 7", PatientID="P1"),
    of_studies("2", PatientID="p1"),
    of_studies("3", PatientID="P_1"),
    of_studies("4", PatientID="P%1"),
    of_studies("5", PatientID="P[1]"),
    of_studies("", PatientID="P"),
    of_studies("7", PatientID="P1", IssuerOfPatientID="OTHER"),
    of_studies("1", AccessionNumber="A100"),
    of_studies("5", AccessionNumber="A\\100"),
    of_studies("7", AccessionNumber="' OR 1=1--"),
    of_studies("", AccessionNumber='"; DROP TABLE study; --'),
    of_studies("", AccessionNumber="A" * 10_000),
    of_studies("1", StudyID="S1"),
    of_studies("1", StudyDescription="Head 100%"),
    of_studies("", StudyDescription="Head 100_"),
    of_studies("1", PatientSex="M"),
    of_studies("1", PatientWeight="70.50"),
    of_studies("2", **{"00100020": "p1"}),
    of_studies("2", **{"0020000d": "1.2.3.2"}),
    of_studies("1 7", PatientID=" P1 "),
    of_studies("5", StudyDescription="“quoted” \u2018twice\u2019 %s %(a)s :a $1 {a} ?"),
    of_studies("", StudyDescription='"quoted" \u2018twice\u2019 %s %(a)s :a $1 {a} ?'),
    of_studies("6", StudyDescription="\U0001f600 smile"),
    # Text that is longer than an index takes: found whole, by its beginning, and told from what begins alike.
    of_studies("5", StudyID="x" * 400),
    of_studies("6", StudyID="x" * 300),
    of_studies("", StudyID="x" * 350),
    of_studies("5 6", StudyID="xxx*"),
    # A list of UIDs.
    of_studies("2 3", StudyInstanceUID="1.2.3.3,1.2.3.2,1.2.3.99"),
    of_studies("2 3 1", StudyInstanceUID="1.2.3.3\\1.2.3.2\\1.2.3.1"),
    of_studies("", StudyInstanceUID="1.2.3.*"),
    of_studies("2", StudyInstanceUID="1.2.3.2"),
    of_studies("2 3 1 7", 4, StudyInstanceUID=",".join(f"1.2.3.{n}" for n in range(1, 8))),
    of_series("1.1 1.2", SeriesInstanceUID="1.2.3.1.2,1.2.3.1.1"),
    of_instances("1.1.1 5.1.1", SOPInstanceUID="1.2.3.5.1.1,1.2.3.1.1.1"),
    # Wildcards: `*` and `?` only, and case counts.
    of_studies("3 1 7 5 4", PatientID="P*"),
    of_studies("2 1 7", PatientID="?1"),
    of_studies("3", PatientID="P_*"),
    of_studies("4", PatientID="P%*"),
    of_studies("5", PatientID="P[*"),
    of_studies("5", PatientID="*[1]"),
    of_studies("3 5 4", PatientID="P?1*"),
    of_studies("1", AccessionNumber="A1*"),
    of_studies("3 5 4", AccessionNumber="A?100"),
    of_studies("7", AccessionNumber="*'*"),
    of_studies("", AccessionNumber="*b*"),
    of_studies("2 3 1 7 5 4", AccessionNumber="?*"),
    of_studies(_ALL, AccessionNumber="*"),
    of_studies(_ALL, AccessionNumber=""),
    of_studies("1", StudyDescription="*%"),
    of_studies("5", StudyDescription="“*"),
    of_studies("5", StudyDescription="*\u2018twice\u2019*"),
    of_studies("5", StudyDescription="*%s*"),
    of_studies("5", StudyDescription="*:a $1 {a} ?"),
    of_studies("6", StudyDescription="?*smile"),
    of_studies("6", StudyDescription="\U0001f600*"),
    of_studies("", StudyDescription="\U0001f601*"),
    of_studies("1 5 6", StudyDescription="?*"),
    of_studies("", AccessionNumber="A" * 1000 + "*"),
    of_studies("2", PatientID="p?*"),
    of_studies("", PatientID="P??????*"),
    of_series("3.1", SeriesDescription="*[axial]"),
    of_series("3.1", SeriesDescription="T1 [*"),
    of_series("", SeriesDescription="t1*"),
    # Names: case does not count, and any component group is enough.
    of_studies("7", PatientName="doe^john"),
    of_studies("1", PatientName="DOE^JOHN^^DR"),
    of_studies("2 1 7", PatientName="doe^*"),
    of_studies("2 1 7", PatientName="DOE*"),
    of_studies("1 7", PatientName="*john*"),
    of_studies("2 1 7", PatientName="d?e^j*"),
    of_studies("4", PatientName="MÜLLER*"),
    of_studies("4", PatientName="müller^jürgen"),
    of_studies("", PatientName="muller*"),
    of_studies("3", PatientName="yamada*"),
    of_studies("3", PatientName="山田*"),
    of_studies("3", PatientName="やまだ^たろう"),
    of_studies("3", PatientName="=山田*"),
    of_studies("3", PatientName="yamada*=山田^太郎"),
    of_studies("", PatientName="doe*=山田*"),
    of_studies("5", PatientName="o'neil*"),
    of_studies("5", PatientName="*[x]%_"),
    of_studies("", PatientName="*[y]*"),
    of_studies("1", ReferringPhysicianName="HOUSE*"),
    of_studies("5", ReferringPhysicianName="strauß*"),
    of_studies("5", ReferringPhysicianName="STRAUSS^éva"),
    of_studies("5", ReferringPhysicianName="*E\u0301VA"),  # a letter and an accent are the letter with the accent
    of_studies("7", PatientName="Doe^John^"),
    of_studies("2 3 1 7 5 6 4", PatientName="*"),
    of_studies("", PatientName="%"),
    of_studies("", PatientName="doe^_*"),
    of_studies("2 1", StudyInstanceUID="1.2.3.1,1.2.3.2", PatientName="doe*"),
    Search(Level.PATIENT, {"PatientName": "doe*"}, ("P1", "P1", "p1")),
    # Dates and times, ranges of them, and the two as one point in time.
    of_studies("2 3", StudyDate="20260102"),
    of_studies("2 3 1 7", StudyDate="20260101-20260102"),
    of_studies("1 7 5 6", StudyDate="-20260101"),
    of_studies("2 3 1 7", StudyDate="20260101-"),
    of_studies("2 3", StudyDate="2026.01.02"),
    of_studies("", StudyDate="19000101-20001231"),
    of_studies("7", StudyTime="08"),
    of_studies("3 4", StudyTime="0900-1259"),
    of_studies("2 6", StudyTime="-0759"),
    of_studies("3", StudyTime="120000.5"),
    of_studies("2 1", StudyDate="20260101-20260102", StudyTime="2200-0200"),
    of_studies("3", StudyDate="20260102-", StudyTime="0200-"),
    of_studies("1 7 6", StudyDate="20251231-20260101", StudyTime="0000-2359"),
    of_studies("1 7", StudyDate="20260101", StudyTime="0800-2300"),
    of_studies("2 3 1 7", StudyDate="2026.01.01-2026.01.02"),
    of_studies("1", StudyTime="22"),
    of_studies("1", StudyTime="2230"),
    of_studies("", StudyTime="2231"),
    of_studies("1", StudyTime="2200-"),
    of_studies("3", StudyTime="120000.4-120000.6"),
    # Open ends of a date and a time together; a study of the last day without a time is in no such range.
    of_studies("5 6", StudyDate="-20260101", StudyTime="-0759"),
    of_studies("2 3 1", StudyDate="20260101-", StudyTime="0801-"),
    of_studies("2 1 7 5 6", StudyDate="-20260102", StudyTime="-0200"),
    of_studies("2", StudyDate="20260102-20260102", StudyTime="0000-0200"),
    # A time that is one value is asked for by itself, on each of the days.
    of_studies("7", StudyDate="20251231-20260102", StudyTime="08"),
    of_series("3.1", PerformedProcedureStepStartDate="20260102"),
    of_series("3.1", PerformedProcedureStepStartDate="20260101-20260102", PerformedProcedureStepStartTime="08-0930"),
    of_series("", PerformedProcedureStepStartTime="10-"),
    # Numbers are numbers.
    of_series("3.10", SeriesNumber="10"),
    of_series("3.10", SeriesNumber="010.0"),
    of_series("7.1", SeriesNumber="-1"),
    of_instances("3.2.12", InstanceNumber="12"),
    of_series("3.1 1.1 5.1 6.1", SeriesNumber="+1"),
    of_instances("1.1.1", SliceThickness="1.50"),
    of_instances("1.1.1", SliceThickness="15e-1"),
    of_instances("5.1.1", SliceThickness="0.0000010"),
    of_instances("", SliceThickness="1.5000001"),
    of_instances("1.1.1", Rows="0512"),
    of_instances("1.1.2", Rows="256"),
    # Several values: any of them is enough.
    of_instances("1.1.1", ImageType="AXIAL"),
    of_instances("1.1.1 1.1.2", ImageType="*ARY"),
    of_instances("1.1.2", ImageType="SECONDARY"),
    of_instances("", ImageType="ORIGINAL*AXIAL"),
    # A key of a lower level holds where any child does; one of an upper level for all below.
    of_studies("1 7 4", ModalitiesInStudy="CT"),
    of_studies("3", ModalitiesInStudy="OT"),
    of_studies("2 3", ModalitiesInStudy="M*"),
    of_studies("", ModalitiesInStudy="ct"),
    of_studies("2 3 1", ModalitiesInStudy="?R"),
    of_studies("2 3 1 7 5 4", ModalitiesInStudy="?*"),  # an absent one matches no wildcard but `*`
    of_studies(_ALL, ModalitiesInStudy="*"),
    of_studies("3 1", ModalitiesInStudy="*", SeriesNumber="2"),
    of_studies("2 3", 2, ModalitiesInStudy="M*", StudyDate="20260101-"),
    of_studies("7", ModalitiesInStudy="CT", StudyTime="08"),
    of_studies("1", ModalitiesInStudy="S?", Modality="CT"),
    of_studies("1", Modality="SR"),
    of_studies("1", ModalitiesInStudy="CT", Modality="SR"),
    of_series("1.1 1.2", ModalitiesInStudy="SR"),
    of_instances("1.1.1 1.1.2 1.2.1", ModalitiesInStudy="SR"),
    Search(Level.PATIENT, {"ModalitiesInStudy": "MR"}, ("P_1", "p1")),
    Search(Level.PATIENT, {"Modality": "MR"}, ("P_1", "p1")),
    of_studies("2 3", SOPClassUID=MR_IMAGE),
    of_studies("3 1 7 6 4", SOPClassUID=CT_IMAGE),
    of_series("1.2", SOPClassUID=REPORT),
    Search(Level.PATIENT, {"SOPClassUID": REPORT}, ("P1",)),
    of_studies("3", SOPInstanceUID="1.2.3.3.2.12"),
    of_series("3.2", SOPInstanceUID="1.2.3.3.2.12"),
    of_studies("3", SeriesInstanceUID="1.2.3.3.10"),
    of_studies("3", SeriesNumber="10"),
    of_studies("3", InstanceNumber="12"),
    of_studies("1", Rows="512"),
    Search(Level.PATIENT, {"StudyDate": "20260102"}, ("P_1", "p1")),
    Search(Level.PATIENT, {"AccessionNumber": "a100"}, ("p1",)),
    Search(Level.PATIENT, {"SeriesInstanceUID": "1.2.3.4.1"}, ("P%1",)),
    of_series("3.1 3.2 3.10", StudyInstanceUID="1.2.3.3"),
    of_instances("1.1.1 1.1.2", SeriesInstanceUID="1.2.3.1.1", PatientID="P1"),
    of_instances("3.1.1 3.10.1", PatientName="yamada*", Modality="MR"),
    # The items of Request Attributes Sequence.
    of_request("1", "ScheduledProcedureStepID", "SPS_1"),
    of_request("1", "ScheduledProcedureStepID", "SPS-2"),
    of_request("1 4", "ScheduledProcedureStepID", "SPS*"),
    of_request("4", "ScheduledProcedureStepID", "SPS%*"),
    of_request("4", "RequestedProcedureID", "rp1"),
    of_request("1", "RequestedProcedureID", "RP1"),
    of_request("", "RequestedProcedureID", "RP2"),
    of_request("1 4", "ScheduledProcedureStepID", "SPS?1"),
    of_request("", "ScheduledProcedureStepID", "SPS"),
    of_requests("1", "SPS_1", "RP1"),
    of_requests("1 4", "SPS*", "??1"),
    of_requests("", "SPS-2", "RP1"),  # both are there, in two items
    of_requests("", "SPS%1", "RP1"),
    of_requests("1", "SPS_1", "RP*"),
    Search(Level.SERIES, {"00400275.00401001": "RP1"}, ("1.2.3.1.1",)),
    Search(Level.INSTANCE, {"00400275.00401001": "RP1"}, ("1.2.3.1.1.1", "1.2.3.1.1.2")),
    Search(Level.PATIENT, {"00400275.00400009": "SPS-2"}, ("P1",)),
)
