"""How fast the reader is, as ratios to pydicom in the same run.

`python tests/benchmarks/bench_reader.py` prints them. The two sides of a ratio take
turns on the same bytes in memory, so that what else the machine does hits both. The corpus is made here: pydicom's
CT_small and MR_small, and made-up files of a CT scanner, with few pixels (15 KB) and with 512 x 512 (540 KB). Of each
file, the reader also hashes all bytes, which pydicom does not. The native reader is measured where it is installed.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from rows import row, show

from dicom_common.dicom import ReaderSettings, new_uid, read
from dicom_common.dicom._elements import Elements
from dicom_common.dicom._file_meta import read_file_meta
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._json import DataSetContext, encode_json
from dicom_common.dicom._scan import Scanner
from dicom_common.dicom._window import Window

ROUNDS = 9
Work = Callable[[], object]

CT = "1.2.840.10008.5.1.4.1.1.2"
TEXTS = r"""
SpecificCharacterSet=ISO_IR 100; ImageType=ORIGINAL\PRIMARY\AXIAL\CT_SOM5 SPI;
SOPClassUID=1.2.840.10008.5.1.4.1.1.2; StudyInstanceUID=1.2.826.0.1.3680043.8.498.1; Modality=CT;
SeriesInstanceUID=1.2.826.0.1.3680043.8.498.1.1; FrameOfReferenceUID=1.2.826.0.1.3680043.8.498.1.2;
StudyDate=20260102; SeriesDate=20260102; AcquisitionDate=20260102; ContentDate=20260102;
InstanceCreationDate=20260102; StudyTime=101112.123456; SeriesTime=101112.123456; AcquisitionTime=101112.123456;
ContentTime=101112.123456; InstanceCreationTime=101113; AccessionNumber=A0001234;
InstitutionAddress=Street 1, Town; Manufacturer=A Maker; InstitutionName=A Hospital;
InstitutionalDepartmentName=Radiology; ReferringPhysicianName=Doe^Jane; StationName=CT01; StudyDescription=Thorax;
SeriesNumber=2; SeriesDescription=Thorax 1.0 B30f; OperatorsName=One^An; ManufacturerModelName=Model 64;
PatientName=Muster^Erika; PatientID=PID-0001; PatientSex=F; PatientBirthDate=19700101; PatientAge=056Y;
PatientSize=1.7; PatientWeight=70; PatientComments=none; BodyPartExamined=CHEST; SliceThickness=1; KVP=120;
DataCollectionDiameter=500; DeviceSerialNumber=12345; SoftwareVersions=syngo 1; ProtocolName=ThoraxRoutine;
ReconstructionDiameter=360; DistanceSourceToDetector=1040; DistanceSourceToPatient=570; GantryDetectorTilt=0;
TableHeight=160; RotationDirection=CW; ExposureTime=500; XRayTubeCurrent=120; Exposure=60; FilterType=0;
GeneratorPower=15; FocalSpots=1.2; ConvolutionKernel=B30f; PatientPosition=FFS; StudyID=1; AcquisitionNumber=2;
PositionReferenceIndicator=; SliceLocation=-7.5; ImagePositionPatient=-179.6484375\-339.6484375\-7.5;
ImageOrientationPatient=1\0\0\0\1\0; PixelSpacing=0.703125\0.703125; PhotometricInterpretation=MONOCHROME2;
WindowCenter=40\-600; WindowWidth=400\1200; RescaleIntercept=-1024; RescaleSlope=1; RescaleType=HU;
WindowCenterWidthExplanation=WINDOW1\WINDOW2; RequestedProcedureDescription=CT Thorax;
PerformedProcedureStepStartDate=20260102; PerformedProcedureStepStartTime=101000; PerformedProcedureStepID=P1;
"""
NUMBERS = {
    "SingleCollimationWidth": 0.6,
    "SpiralPitchFactor": 1.1,
    "SamplesPerPixel": 1,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "SmallestImagePixelValue": 0,
    "LargestImagePixelValue": 2000,
}
SEQUENCES = ("ReferencedImageSequence", "ProcedureCodeSequence", "RequestAttributesSequence", "SourceImageSequence")


def ct_slice(number: int, *, side: int) -> Dataset:
    """Make a data set as a CT scanner writes it: some 85 attributes, four sequences, a private block, the pixels."""
    data_set = Dataset()
    texts = (pair.strip().partition("=") for pair in TEXTS.split(";") if pair.strip())
    for keyword, value in ({keyword: text.split("\\") for keyword, _, text in texts} | NUMBERS).items():
        setattr(data_set, keyword, value)
    data_set.SOPInstanceUID = new_uid()
    data_set.InstanceNumber = str(number)
    data_set.Rows = data_set.Columns = side
    for keyword in SEQUENCES:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "CTTHOR", "99LOCAL", "CT Thorax"
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, new_uid()
        setattr(data_set, keyword, [item])
    block = data_set.private_block(0x0029, "A MAKER CSA HEADER", create=True)
    block.add_new(0x10, "OB", bytes(range(256)) * 40)
    block.add_new(0x11, "LO", "IMAGE NUM 4")
    data_set.add_new(0x7FE00010, "OW", bytes(side * side * 2))
    return data_set


def encode(data_set: Dataset, syntax: pydicom.uid.UID) -> bytes:
    """Write a data set as a file, in memory."""
    data_set = Dataset(data_set._dict)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()


def corpora() -> dict[str, list[bytes]]:
    """Make the files: headers in both ways of writing VRs, and whole slices."""
    bundled = Path(pydicom.__file__).parent / "data" / "test_files"
    small = [pydicom.dcmread(bundled / name) for name in ("CT_small.dcm", "MR_small.dcm")]
    for data_set in small:
        str(data_set)  # decodes every value, so that it can be written in another syntax
    headers = [*small * 4, *(ct_slice(number, side=32) for number in range(8))]
    return {
        "explicit": [encode(data_set, ExplicitVRLittleEndian) for data_set in headers],
        "implicit": [encode(data_set, ImplicitVRLittleEndian) for data_set in headers],
        "slices": [encode(ct_slice(number, side=512), ExplicitVRLittleEndian) for number in range(8)],
    }


def read_ours(files: Sequence[bytes], settings: ReaderSettings) -> None:
    """Take the record and the DICOM JSON of each file."""
    for data in files:
        reading = read(data, settings=settings)
        assert reading.instance.sop_uid
        assert reading.metadata


def read_pydicom(files: Sequence[bytes]) -> None:
    """Let pydicom read each header; it decodes no value yet."""
    for data in files:
        pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)


def read_and_hash_pydicom(files: Sequence[bytes]) -> None:
    """Let pydicom read each header, and hash the file."""
    read_pydicom(files)
    for data in files:
        hashlib.sha256(data).hexdigest()


def scanned(data: bytes) -> tuple[Elements, DataSetContext]:
    """Scan a file, and stop where its DICOM JSON is made."""
    window, findings, settings = Window(data), Findings(), ReaderSettings()
    meta = read_file_meta(window, settings, findings)
    elements = Scanner(window, settings, findings).scan(meta.encoding, meta.data_set_offset)
    return elements, DataSetContext(settings, findings)


def json_ours(scans: Sequence[tuple[Elements, DataSetContext]]) -> None:
    """Make DICOM JSON of what was scanned before."""
    for elements, context in scans:
        encode_json(elements, context)


def json_pydicom(data_sets: Sequence[Dataset]) -> None:
    """Let pydicom make DICOM JSON of data sets that it has read and decoded before."""
    for data_set in data_sets:
        json.dumps(data_set.to_json_dict(suppress_invalid_tags=True))


def read_and_json_pydicom(files: Sequence[bytes]) -> None:
    """Let pydicom do what a program without this reader does."""
    json_pydicom([pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True) for data in files])


def timed(work: Work, repeats: int) -> float:
    """Time one run of `work`, in seconds of the processor, as the mean of several: neither side ever waits."""
    begin = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - begin) / repeats


def compare(name: str, target: float, ours: Work, theirs: Work, *, repeats: tuple[int, int] = (4, 4)) -> dict[str, Any]:
    """Run both sides in turns; a ratio above 1 says that ours is faster."""
    timed(ours, 1)
    timed(theirs, 1)
    ratios = []
    for number in range(ROUNDS):
        if number % 2:  # who goes first changes, too
            mine, other = timed(ours, repeats[0]), timed(theirs, repeats[1])
        else:
            other, mine = timed(theirs, repeats[1]), timed(ours, repeats[0])
        ratios.append(other / mine)
    return row(name, ratios, target)


def engines() -> list[str]:
    """Give the engines of the reader that are installed."""
    native = ReaderSettings(engine="auto").in_effect()["engine"] == "native"
    if not native:
        print("the native reader is not installed, and is not measured", file=sys.stderr)
    return ["python", "native"] if native else ["python"]


TARGETS = {"python": (1.4, 0.8, 1.0), "native": (6.0, 3.0, 1.5)}
"""Of each engine: for explicit VR, implicit VR and whole slices."""


def compare_engine(engine: str, files: dict[str, list[bytes]]) -> list[dict[str, Any]]:
    """Compare one engine with what pydicom takes for reading alone, and the digest where pixels are many."""
    settings = ReaderSettings(engine=engine)  # type: ignore[arg-type]  # one of the two
    cases = (
        ("record + JSON, to dcmread; explicit VR", "explicit", read_pydicom),
        ("record + JSON, to dcmread; implicit VR", "implicit", read_pydicom),
        ("record + JSON, to dcmread + sha256; 540 KB", "slices", read_and_hash_pydicom),
    )
    return [
        compare(
            f"reader, {engine}: {name}", target, partial(read_ours, files[kind], settings), partial(theirs, files[kind])
        )
        for (name, kind, theirs), target in zip(cases, TARGETS[engine], strict=True)
    ]


def run() -> list[dict[str, Any]]:
    """Run all comparisons."""
    with warnings.catch_warnings(action="ignore"):
        files = corpora()
        data_sets = [pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True) for data in files["explicit"]]
        json_pydicom(data_sets)
        explicit = files["explicit"]
        rows = [row for engine in engines() for row in compare_engine(engine, files)]
        return [
            *rows,
            compare(
                "reader: JSON bytes, to to_json_dict + dumps",
                10.0,
                partial(json_ours, list(map(scanned, explicit))),
                partial(json_pydicom, data_sets),
                repeats=(20, 1),
            ),
            compare(
                "reader: all of it, to dcmread + to_json_dict + dumps",
                5.0,
                partial(read_ours, explicit, ReaderSettings(engine="python")),
                partial(read_and_json_pydicom, explicit),
                repeats=(8, 1),
            ),
        ]


if __name__ == "__main__":
    show(run())
