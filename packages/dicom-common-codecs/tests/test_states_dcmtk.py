"""Presentation states as DCMTK's dcmp2pgm shows them: a second opinion on the grey values and the orientation."""

from __future__ import annotations

import io
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from made_images import as_file, image as grey_image
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


def table(entries: list[int], bits: int, *, first: int = 0) -> Sequence:
    made = item(LUTDescriptor=[len(entries), first, bits], LUTData=np.array(entries, "<u2").tobytes())
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


def made_image(chance: random.Random) -> Dataset:
    """Make a grey image of any size, depth and sign."""
    rows, columns, bits = chance.randint(5, 40), chance.randint(5, 40), chance.choice((8, 12, 16))
    lowest = chance.choice((0, -(1 << bits - 1)))
    array = np.random.default_rng(chance.randrange(1 << 32)).integers(lowest, lowest + (1 << bits), (rows, columns))
    kind, grey = f"<{'i' if lowest else 'u'}{(bits + 7) // 8}", chance.choice(("MONOCHROME1", "MONOCHROME2"))
    made = grey_image(array.astype(kind), grey, BitsStored=bits, HighBit=bits - 1)
    made.PatientName, made.PatientID, made.StudyID = "A", "1", ""
    return made


def made_state(chance: random.Random, image: Dataset) -> Dataset:
    """Make a state of it, with what dcmp2pgm can: no slope below 1 (it has no value for the largest pixel then)."""
    values = 1 << image.BitsStored
    says: dict[str, Any] = {
        "PresentationLUTShape": chance.choice(("IDENTITY", "INVERSE")),
        "ImageRotation": chance.choice((0, 90, 180, 270)),
        "ImageHorizontalFlip": chance.choice("YN"),
    }
    if chance.random() < 0.5:
        says |= HOUNSFIELD | {"RescaleSlope": chance.choice((1, 2)), "RescaleIntercept": chance.randint(-1000, 100)}
    if chance.random() < 0.2:
        entries = table([chance.randrange(256) for _ in range(64)], 8, first=chance.randrange(values))
        says["SoftcopyVOILUTSequence"] = [item(VOILUTSequence=entries)]
    elif chance.random() < 0.8:
        width = chance.choice((1, chance.randint(2, values)))
        says["SoftcopyVOILUTSequence"] = window(chance.randint(-values // 2, values), width)
    return state(**says)


def require_the_same(codecs: Codecs, folder: Path, image: Dataset, shown: Dataset) -> None:
    files = [folder / one for one in ("state.dcm", "image.dcm", "picture.pgm")]
    files[0].write_bytes(as_file(of_image(shown, image)))
    files[1].write_bytes(as_file(image))
    subprocess.run([dcmtk_program("dcmp2pgm"), "-p", *files], check=True, timeout=60)
    rendering = Rendering(media_type="image/png")
    picture = codecs.render(files[1], rendering=rendering, state=codecs.presentation_state(files[0]))
    ours, theirs = (np.asarray(Image.open(one)).astype(int) for one in (io.BytesIO(picture.data), files[2]))
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs)) <= 1


@pytest.mark.parametrize("name", list(STATES))
@pytest.mark.parametrize("example", ["ct", "mr"])
def test_n_2_dcmtk_shows_the_same(codecs: Codecs, tmp_path: Path, example: str, name: str) -> None:
    made = {keyword: value for keyword, value in STATES[name].items() if value is not None}
    shown = state(**made)
    if "PresentationLUTSequence" in shown:
        del shown.PresentationLUTShape
    require_the_same(codecs, tmp_path, pydicom.dcmread(examples.get_path(example)), shown)


@pytest.mark.parametrize("seed", range(40))
def test_n_2_dcmtk_shows_the_same_of_any_grey_image(codecs: Codecs, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    image = made_image(chance)
    require_the_same(codecs, tmp_path, image, made_state(chance, image))
