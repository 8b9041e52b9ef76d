"""Made-up CT-like files for the benchmarks and the scale tests: synthetic, and quick to make in any number."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import UID

_STUDY, _SERIES, _SOP = (f"2.25.{digit * 30}" for digit in ("4", "5", "6"))
_PATIENT = "PATIENT-000000"
_DATE = "20010101"


def ct_template(pixels: int) -> bytes:
    """Make a CT of `pixels` x `pixels` 16-bit samples in explicit VR little endian, about 90 elements."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False) or "")
    dataset.Rows = dataset.Columns = pixels
    sample = bytes(range(256)) * (pixels * pixels * 2 // 256 + 1)
    dataset.PixelData = sample[: pixels * pixels * 2]
    if "DataSetTrailingPadding" in dataset:
        del dataset.DataSetTrailingPadding
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = UID(_STUDY), UID(_SERIES), UID(_SOP)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(_SOP)
    dataset.PatientID, dataset.PatientName = _PATIENT, "Made^Up"
    dataset.StudyDate = dataset.InstanceCreationDate = _DATE
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def small_template() -> bytes:
    """Make a small CT: about 3 KB."""
    return ct_template(16)


def instances(
    template: bytes, count: int, *, start: int = 0, per_series: int = 100, series_per_study: int = 4
) -> Iterator[bytes]:
    """Make instances of a template that differ in their UIDs, patients and dates; every value keeps its length."""
    for number in range(start, start + count):
        series = number // per_series
        study = series // series_per_study
        yield (
            template.replace(_SOP.encode(), f"2.25.6{number:029}".encode())
            .replace(_SERIES.encode(), f"2.25.5{series:029}".encode())
            .replace(_STUDY.encode(), f"2.25.4{study:029}".encode())
            .replace(_PATIENT.encode(), f"PATIENT-{study // 2:06}".encode())
            .replace(_DATE.encode(), f"{2001 + study // 336 % 20}{study // 28 % 12 + 1:02}{study % 28 + 1:02}".encode())
        )


def write_files(folder: Path, template: bytes, count: int) -> list[Path]:
    """Write instances to files, a hundred to a folder."""
    paths = []
    for number, data in enumerate(instances(template, count)):
        path = folder / f"{number // 100:05}" / f"{number:07}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    return paths
