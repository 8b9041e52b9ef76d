"""Pixel Data whose words are big endian while the rest of the data set is not (PS3.5 7.3)."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
from live_server import live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from parts import parts_of

INSTANCE = f"/studies/{study_uid()}/series/{series_uid()}/instances/{instance_uid()}"


@pytest.mark.parametrize(("vr", "bits"), [("OW", 8), ("OW", 16), ("OB", 8)])
def test_3_6_pixels_whose_words_alone_are_big_endian_are_the_same_in_every_form(
    tmp_path: Path, vr: str, bits: int
) -> None:
    """GE's private transfer syntax is implicit VR little endian with Pixel Data in big endian words."""
    described = {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1, "NumberOfFrames": 2}
    made = pydicom.dcmread(io.BytesIO(make_instance(**grey(2, 4, PixelData=b"") | described)))
    sent = bytes(range(2 * 8 * bits // 8))
    made[0x7FE00010].VR, made.PixelData = vr, sent
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.113619.5.2")
    file = io.BytesIO()
    pydicom.dcmwrite(file, made, implicit_vr=True, little_endian=True, enforce_file_format=True)
    # Without VRs, Pixel Data is OW (PS3.5 A.1).
    swapped = b"".join(sent[at : at + 2][::-1] for at in range(0, len(sent), 2))
    with live_server(tmp_path) as server:
        (result,) = server.store(file.getvalue())
        assert result.status == "stored"
        (part,) = parts_of(server.client.get(INSTANCE))
        assert pydicom.dcmread(io.BytesIO(part.data)).PixelData == swapped
        for resource in ("frames/1,2", "bulkdata/7FE00010", "pixeldata"):
            parts = parts_of(server.client.get(f"{INSTANCE}/{resource}"))
            assert b"".join(one.data for one in parts) == swapped, resource
