"""The six resources of a search, and the attributes that an answer of each has (PS3.18 10.6.1.1, 10.6.3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.core import Level

__all__ = ["RESOURCES", "Resource"]

# Of tables 10.6.3-3 to 10.6.3-5, without Instance Availability and Retrieve URL, which the index does not keep.
_STUDY = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ModalitiesInStudy",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)
_SERIES = ("Modality", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances")
_INSTANCE = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber")
# Those that an answer has if they have a value: the conditional ones of the tables, and what lists of studies show.
_STUDY_IF_PRESENT = ("TimezoneOffsetFromUTC", "StudyDescription")
_SERIES_IF_PRESENT = (
    "TimezoneOffsetFromUTC",
    "SeriesDescription",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "RequestAttributesSequence",
)
_INSTANCE_IF_PRESENT = ("TimezoneOffsetFromUTC", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """One of the resources."""

    path: str
    level: Level
    required: tuple[str, ...]
    """What every answer has, with or without a value."""
    if_present: tuple[str, ...]


RESOURCES = (
    Resource(path="/studies", level=Level.STUDY, required=_STUDY, if_present=_STUDY_IF_PRESENT),
    Resource(
        path="/series",
        level=Level.SERIES,
        required=(*_STUDY, *_SERIES),
        if_present=(*_STUDY_IF_PRESENT, *_SERIES_IF_PRESENT),
    ),
    Resource(
        path="/studies/{study}/series",
        level=Level.SERIES,
        required=("StudyInstanceUID", *_SERIES),
        if_present=_SERIES_IF_PRESENT,
    ),
    Resource(
        path="/instances",
        level=Level.INSTANCE,
        required=(*_STUDY, *_SERIES, *_INSTANCE),
        if_present=(*_STUDY_IF_PRESENT, *_SERIES_IF_PRESENT, *_INSTANCE_IF_PRESENT),
    ),
    Resource(
        path="/studies/{study}/instances",
        level=Level.INSTANCE,
        required=("StudyInstanceUID", *_SERIES, *_INSTANCE),
        if_present=(*_SERIES_IF_PRESENT, *_INSTANCE_IF_PRESENT),
    ),
    Resource(
        path="/studies/{study}/series/{series}/instances",
        level=Level.INSTANCE,
        required=("StudyInstanceUID", "SeriesInstanceUID", *_INSTANCE),
        if_present=_INSTANCE_IF_PRESENT,
    ),
)
