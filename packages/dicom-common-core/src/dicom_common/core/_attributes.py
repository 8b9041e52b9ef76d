"""The attributes of the data set that the library indexes: one table for the record, the columns and the queries.

Everything that has to know "PatientID is (0010,0020), a LO of the patient level, kept in `patient_id`" asks this
table: the reader fills `Instance.<field>`, a database makes columns from it, a query looks its keys up here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["ATTRIBUTES", "ATTRIBUTES_BY_KEYWORD", "Attribute", "Level"]


class Level(IntEnum):
    """The levels of the DICOM information model, from the top (PS3.4 C.6)."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


class Attribute(NamedTuple):
    """One indexed attribute.

    `field` is the attribute's name in `Instance`. `multiple` says that the field is a tuple; every other field is one
    value or None.
    """

    keyword: str
    tag: int
    vr: str
    level: Level
    field: str
    multiple: bool = False


_P, _S, _E, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("PatientName", 0x00100010, "PN", _P, "patient_name"),
    Attribute("PatientID", 0x00100020, "LO", _P, "patient_id"),
    Attribute("IssuerOfPatientID", 0x00100021, "LO", _P, "issuer_of_patient_id"),
    Attribute("PatientBirthDate", 0x00100030, "DA", _P, "patient_birth_date"),
    Attribute("PatientBirthTime", 0x00100032, "TM", _P, "patient_birth_time"),
    Attribute("PatientSex", 0x00100040, "CS", _P, "patient_sex"),
    Attribute("StudyInstanceUID", 0x0020000D, "UI", _S, "study_uid"),
    Attribute("StudyDate", 0x00080020, "DA", _S, "study_date"),
    Attribute("StudyTime", 0x00080030, "TM", _S, "study_time"),
    Attribute("AccessionNumber", 0x00080050, "SH", _S, "accession_number"),
    Attribute("ReferringPhysicianName", 0x00080090, "PN", _S, "referring_physician_name"),
    Attribute("TimezoneOffsetFromUTC", 0x00080201, "SH", _S, "timezone_offset_from_utc"),
    Attribute("StudyDescription", 0x00081030, "LO", _S, "study_description"),
    Attribute("PatientAge", 0x00101010, "AS", _S, "patient_age"),
    Attribute("PatientSize", 0x00101020, "DS", _S, "patient_size"),
    Attribute("PatientWeight", 0x00101030, "DS", _S, "patient_weight"),
    Attribute("StudyID", 0x00200010, "SH", _S, "study_id"),
    Attribute("SeriesInstanceUID", 0x0020000E, "UI", _E, "series_uid"),
    Attribute("Modality", 0x00080060, "CS", _E, "modality"),
    Attribute("SeriesDate", 0x00080021, "DA", _E, "series_date"),
    Attribute("SeriesTime", 0x00080031, "TM", _E, "series_time"),
    Attribute("Manufacturer", 0x00080070, "LO", _E, "manufacturer"),
    Attribute("InstitutionName", 0x00080080, "LO", _E, "institution_name"),
    Attribute("StationName", 0x00081010, "SH", _E, "station_name"),
    Attribute("SeriesDescription", 0x0008103E, "LO", _E, "series_description"),
    Attribute("BodyPartExamined", 0x00180015, "CS", _E, "body_part_examined"),
    Attribute("ProtocolName", 0x00181030, "LO", _E, "protocol_name"),
    Attribute("SeriesNumber", 0x00200011, "IS", _E, "series_number"),
    Attribute("Laterality", 0x00200060, "CS", _E, "laterality"),
    Attribute("PerformedProcedureStepStartDate", 0x00400244, "DA", _E, "performed_procedure_step_start_date"),
    Attribute("PerformedProcedureStepStartTime", 0x00400245, "TM", _E, "performed_procedure_step_start_time"),
    Attribute("RequestAttributesSequence", 0x00400275, "SQ", _E, "request_attributes", multiple=True),
    Attribute("SOPInstanceUID", 0x00080018, "UI", _I, "sop_uid"),
    Attribute("SOPClassUID", 0x00080016, "UI", _I, "sop_class_uid"),
    Attribute("ImageType", 0x00080008, "CS", _I, "image_type", multiple=True),
    Attribute("InstanceCreationDate", 0x00080012, "DA", _I, "instance_creation_date"),
    Attribute("InstanceCreationTime", 0x00080013, "TM", _I, "instance_creation_time"),
    Attribute("AcquisitionDate", 0x00080022, "DA", _I, "acquisition_date"),
    Attribute("AcquisitionTime", 0x00080032, "TM", _I, "acquisition_time"),
    Attribute("ContentDate", 0x00080023, "DA", _I, "content_date"),
    Attribute("ContentTime", 0x00080033, "TM", _I, "content_time"),
    Attribute("SliceThickness", 0x00180050, "DS", _I, "slice_thickness"),
    Attribute("SpacingBetweenSlices", 0x00180088, "DS", _I, "spacing_between_slices"),
    Attribute("InstanceNumber", 0x00200013, "IS", _I, "instance_number"),
    Attribute("ImagePositionPatient", 0x00200032, "DS", _I, "image_position_patient", multiple=True),
    Attribute("ImageOrientationPatient", 0x00200037, "DS", _I, "image_orientation_patient", multiple=True),
    Attribute("SliceLocation", 0x00201041, "DS", _I, "slice_location"),
    Attribute("SamplesPerPixel", 0x00280002, "US", _I, "samples_per_pixel"),
    Attribute("PhotometricInterpretation", 0x00280004, "CS", _I, "photometric_interpretation"),
    Attribute("NumberOfFrames", 0x00280008, "IS", _I, "number_of_frames"),
    Attribute("Rows", 0x00280010, "US", _I, "rows"),
    Attribute("Columns", 0x00280011, "US", _I, "columns"),
    Attribute("BitsAllocated", 0x00280100, "US", _I, "bits_allocated"),
    Attribute("BitsStored", 0x00280101, "US", _I, "bits_stored"),
    Attribute("HighBit", 0x00280102, "US", _I, "high_bit"),
    Attribute("PixelRepresentation", 0x00280103, "US", _I, "pixel_representation"),
    Attribute("WindowCenter", 0x00281050, "DS", _I, "window_center", multiple=True),
    Attribute("WindowWidth", 0x00281051, "DS", _I, "window_width", multiple=True),
    Attribute("RescaleIntercept", 0x00281052, "DS", _I, "rescale_intercept"),
    Attribute("RescaleSlope", 0x00281053, "DS", _I, "rescale_slope"),
    Attribute("RescaleType", 0x00281054, "LO", _I, "rescale_type"),
)
"""All indexed attributes, by level; within a level in the order in which people read them."""

ATTRIBUTES_BY_KEYWORD: dict[str, Attribute] = {attribute.keyword: attribute for attribute in ATTRIBUTES}
