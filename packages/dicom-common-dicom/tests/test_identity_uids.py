"""The four UIDs of an instance: each is there and is one, or the file is refused."""

from __future__ import annotations

import pytest
from made_elements import EXPLICIT
from made_files import IDENTITY, explicit, meta, reason_of, rules

from dicom_common.core import DicomError
from dicom_common.dicom import Reason, read


@pytest.mark.parametrize("position", range(4))
def test_each_of_the_four_uids_is_needed(position: int) -> None:
    rows = [explicit(*row) for row in IDENTITY]
    without = b"".join(rows[:position] + rows[position + 1 :])
    assert reason_of(meta(EXPLICIT) + without) == Reason.MISSING_UID
    empty = b"".join([*rows[:position], explicit(IDENTITY[position][0], "UI", b""), *rows[position + 1 :]])
    assert reason_of(meta(EXPLICIT) + empty) == Reason.MISSING_UID


def with_sop_uid(value: bytes) -> bytes:
    rows = [explicit(tag, vr, value if tag == 0x00080018 else old) for tag, vr, old in IDENTITY]
    return meta(EXPLICIT) + b"".join(rows)


@pytest.mark.parametrize(
    "value", [b"..", b"1..2", b".1", b"1.", b"../../x ", b"1.2/3 ", b"1.2\\1.3 ", b"1" * 66, b"1.a ", b"1\n2 "]
)
def test_what_is_no_uid_is_refused_and_not_repeated(value: bytes) -> None:
    with pytest.raises(DicomError, match=r"SOP Instance UID \(0008,0018\)") as caught:
        read(with_sop_uid(value))
    assert caught.value.reason == Reason.INVALID_UID
    assert value.decode().strip() not in str(caught.value).replace("(0008,0018)", "")


@pytest.mark.parametrize("value", [b"1.2.03", b"9.1\0", b"12"])
def test_a_lenient_uid_is_a_warning_and_strictly_an_error(value: bytes) -> None:
    result = read(with_sop_uid(value))
    assert result.instance.sop_uid == value.decode().rstrip("\0")
    assert rules(result) == {("00080018", "uid")}
    assert reason_of(with_sop_uid(value), uids="strict") == Reason.INVALID_UID


@pytest.mark.parametrize("value", [b"1.2.5\0", b"1.2.5 ", b" 1.2.5 ", b"1.2.5\0\0"])
def test_the_padding_of_a_uid_is_taken_off(value: bytes) -> None:
    assert read(with_sop_uid(value)).instance.sop_uid == "1.2.5"
