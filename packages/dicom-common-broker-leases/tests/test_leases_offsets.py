"""The set of acknowledged offsets, against a set of Python's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from dicom_common.broker.leases._offsets import Offsets
from dicom_common.core import DamagedError

MOST = 40
BATCHES = st.lists(st.lists(st.integers(0, MOST - 1), max_size=8), max_size=8)


def plain(offsets: Offsets) -> set[int]:
    return {offset for offset in range(MOST + 5) if offset in offsets}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 5), BATCHES, st.integers(0, MOST))
def test_it_is_the_set_that_it_is_made_of(position: int, batches: list[list[int]], first: int) -> None:
    offsets, expected = Offsets(position), set(range(position))
    for batch in batches:
        offsets, expected = offsets.with_acknowledged(batch), expected | set(batch)
    assert plain(offsets) == expected
    assert offsets.position == min(set(range(MOST + 1)) - expected)
    assert all(offsets.next_open(at) == min(set(range(at, MOST + 5)) - expected) for at in range(MOST))
    assert all(offsets.open_before(end) == len(set(range(end)) - expected) for end in range(MOST))
    assert plain(offsets.from_first(first)) == expected | set(range(first))
    assert Offsets.from_bytes(offsets.to_bytes(), "it") == offsets


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"[1,2]", b"[true]", b'["1"]', b"[1.5]", b"\xff", b"[[1]]"])
def test_a_damaged_record_is_said(value: bytes) -> None:
    with pytest.raises(DamagedError, match="damaged in the broker"):
        Offsets.from_bytes(value, "the broker")
