"""The table of transfer syntaxes, against pydicom's dictionary."""

from __future__ import annotations

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from dicom_common.dicom import TRANSFER_SYNTAXES, TransferSyntax, transfer_syntax

REGISTERED = {uid: entry for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"}
NEWER_THAN_PYDICOM = {
    *(f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112)),
    "1.2.840.10008.1.2.8.1",
}


@pytest.mark.parametrize("uid", REGISTERED)
def test_every_registered_transfer_syntax_is_there_with_its_name(uid: str) -> None:
    name, _, _, retired, _ = REGISTERED[uid]
    syntax = transfer_syntax(uid)
    assert syntax is not None
    assert (syntax.name, syntax.retired) == (name, bool(retired))


def test_those_that_pydicom_does_not_know_yet_are_there() -> None:
    known = set(TRANSFER_SYNTAXES)
    assert known >= NEWER_THAN_PYDICOM
    assert known - set(REGISTERED) - NEWER_THAN_PYDICOM == {"1.2.840.113619.5.2"}


# pydicom does not know that these are deflated (PS3.5 A.7, A.12), nor that Papyrus 3 has implicit VRs.
UNKNOWN_TO_PYDICOM = {"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205", "1.2.840.10008.1.20"}


@pytest.mark.parametrize("uid", sorted(REGISTERED.keys() - UNKNOWN_TO_PYDICOM))
def test_the_encoding_of_the_data_set_is_the_one_that_pydicom_uses(uid: str) -> None:
    syntax = TRANSFER_SYNTAXES[uid]
    theirs = UID(uid)
    assert syntax.implicit_vr == theirs.is_implicit_VR
    assert syntax.big_endian != theirs.is_little_endian
    assert syntax.deflated == theirs.is_deflated


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES.values(), ids=lambda syntax: syntax.uid)
def test_flags_do_not_contradict_each_other(syntax: TransferSyntax) -> None:
    if syntax.encapsulated:
        unfit = [syntax.implicit_vr, syntax.big_endian, syntax.deflated, syntax.referenced]
        assert not any(unfit)
    if syntax.referenced:
        assert syntax.media_type is None
    if "Lossless" in syntax.name:
        assert not syntax.lossy or "Near-Lossless" in syntax.name


def test_one_that_nobody_knows_is_none() -> None:
    assert transfer_syntax("1.2.3") is None
    assert transfer_syntax("") is None
