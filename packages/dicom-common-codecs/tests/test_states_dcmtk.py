"""Presentation states as DCMTK's dcmp2pgm shows them: a second opinion on the grey values and the orientation."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_images import as_file
from made_states import area, item, state, window
from PIL import Image
from pydicom import examples
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_common.codecs import Codecs, Rendering
from dicom_common.testing import dcmtk_program

HOUNSFIELD = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU"}
EMPTY = ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ContentDescription")


def of_image(shown: Dataset, image: Dataset) -> Dataset:
    """Complete a state of an image, as dcmp2pgm wants it."""
    shown.StudyInstanceUID = image.StudyInstanceUID
    for keyword in (*EMPTY, "ReferringPhysicianName", "ContentCreatorName"):
        setattr(shown, keyword, "")
    shown.PatientName, shown.PatientID, shown.Modality, shown.Manufacturer = "A", "1", "PR", "x"
    shown.SeriesNumber = shown.InstanceNumber = 1
    shown.ContentLabel, shown.PresentationCreationDate, shown.PresentationCreationTime = "L", "20260101", "000000"
    (series,) = shown.ReferencedSeriesSequence
    series.SeriesInstanceUID = image.SeriesInstanceUID
    (reference,) = series.ReferencedImageSequence
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    shown.DisplayedAreaSelectionSequence = area(1, 1, image.Columns, image.Rows)
    return shown


def table(entries: list[int], bits: int) -> Sequence:
    made = item(LUTDescriptor=[len(entries), 0, bits], LUTData=np.array(entries, "<u2").tobytes())
    made["LUTDescriptor"].VR = "US"
    return Sequence([made])


STATES: dict[str, dict[str, Any]] = {
    "identity": {},
    "inverse": {"PresentationLUTShape": "INVERSE"},
    "window": {"SoftcopyVOILUTSequence": window(300, 500)},
    "rescale and window": {**HOUNSFIELD, "SoftcopyVOILUTSequence": window(40, 400)},
    "VOI LUT": {"SoftcopyVOILUTSequence": [item(VOILUTSequence=table([one * 16 for one in range(4096)], 16))]},
    "presentation LUT": {
        "PresentationLUTShape": None,
        "PresentationLUTSequence": table([65535 - one * 257 for one in range(256)], 16),
        "SoftcopyVOILUTSequence": window(300, 500),
    },
    **{
        f"{rotation} {flip}": {
            "ImageRotation": rotation,
            "ImageHorizontalFlip": flip,
            "SoftcopyVOILUTSequence": window(300, 500),
        }
        for rotation in (0, 90, 180, 270)
        for flip in "NY"
    },
}


@pytest.mark.parametrize("name", list(STATES))
@pytest.mark.parametrize("example", ["ct", "mr"])
def test_n_2_dcmtk_shows_the_same(codecs: Codecs, tmp_path: Path, example: str, name: str) -> None:
    image = pydicom.dcmread(examples.get_path(example))
    made = {keyword: value for keyword, value in STATES[name].items() if value is not None}
    shown = of_image(state(**made), image)
    if "PresentationLUTSequence" in shown:
        del shown.PresentationLUTShape
    files = [tmp_path / one for one in ("state.dcm", "image.dcm", "picture.pgm")]
    files[0].write_bytes(as_file(shown))
    image.save_as(files[1])
    subprocess.run([dcmtk_program("dcmp2pgm"), "-p", *files], check=True, timeout=60)
    rendering = Rendering(media_type="image/png")
    picture = codecs.render(files[1], rendering=rendering, state=codecs.presentation_state(files[0]))
    ours, theirs = (np.asarray(Image.open(one)).astype(int) for one in (io.BytesIO(picture.data), files[2]))
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs)) <= 1
