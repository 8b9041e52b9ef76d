"""Keys that people ask for, for `did you mean`."""

from __future__ import annotations

from typing import Final

__all__ = ["KEYWORDS"]

KEYWORDS: Final = (
    "AccessionNumber",
    "BodyPartExamined",
    "InstanceNumber",
    "IssuerOfPatientID",
    "Modality",
    "ModalitiesInStudy",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SeriesNumber",
    "StudyDate",
    "StudyDescription",
    "StudyID",
    "StudyInstanceUID",
    "StudyTime",
)
