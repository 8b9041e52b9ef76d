"""Presentation states that are made for a test."""

from __future__ import annotations

from typing import Any

from made_images import minimal
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

__all__ = ["area", "item", "state", "window"]


def item(**attributes: Any) -> Dataset:
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def state(*uids: str, frames: Any = None, **attributes: Any) -> Dataset:
    """Make a Grayscale Softcopy Presentation State of images; without attributes it is the identity."""
    made = minimal()
    made.SOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    made.SOPInstanceUID, made.SeriesInstanceUID = "2.25.11", "2.25.13"
    references = [item(ReferencedSOPInstanceUID=uid) for uid in uids or ("2.25.1",)]
    if frames is not None:
        references[0].ReferencedFrameNumber = frames
    series = item(SeriesInstanceUID="2.25.3", ReferencedImageSequence=Sequence(references))
    made.ReferencedSeriesSequence = Sequence([series])
    made.PresentationLUTShape = "IDENTITY"
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def window(center: float, width: float, **attributes: Any) -> Sequence:
    return Sequence([item(WindowCenter=center, WindowWidth=width, **attributes)])


def area(left: int, top: int, right: int, bottom: int, mode: str = "SCALE TO FIT", **attributes: Any) -> Sequence:
    """Make a displayed area; columns and rows count from 1."""
    made = item(
        DisplayedAreaTopLeftHandCorner=[left, top],
        DisplayedAreaBottomRightHandCorner=[right, bottom],
        PresentationSizeMode=mode,
    )
    if not attributes:
        attributes = {"PresentationPixelAspectRatio": [1, 1]}
    for name, value in attributes.items():
        setattr(made, name, value)
    return Sequence([made])
