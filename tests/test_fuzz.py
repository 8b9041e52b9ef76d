"""Changed objects, many of them: what must hold for every read, and who agrees about the identity.

A short form among all tests; `python3 tools/dev.py test fuzz` reads 1,000,000 and compares 100,000. A failure names the
number of its object: `python tests/fuzz_worker.py NUMBER` makes it again and reads it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from embedded import real_files
from fuzz_changes import changed
from fuzz_identity import Identity, disagreement, ours, theirs_by_dcmtk, theirs_by_pydicom
from fuzz_json import WrongJsonError, checked_json

READS = int(os.environ.get("DICOM_COMMON_TEST_FUZZ_READS", "3000"))
COMPARED = int(os.environ.get("DICOM_COMMON_TEST_FUZZ_COMPARED", "1000"))
FIRST = int(os.environ.get("DICOM_COMMON_TEST_FUZZ_FIRST", "0"))
"""The number to begin with: where an earlier run was stopped, or beyond what earlier runs have read."""
SLICE = 20_000
WORKER = Path(__file__).with_name("fuzz_worker.py")
MOST_TOLD = 50


def test_every_changed_object_is_read_within_bounds_and_alike_from_all_sources(
    capsys: pytest.CaptureFixture[str],
) -> None:
    processes = min(os.cpu_count() or 1, 16)
    size = min(SLICE, -(-READS // processes))
    slices = [(first, min(first + size, FIRST + READS)) for first in range(FIRST, FIRST + READS, size)]
    failures: list[dict[str, Any]] = []
    done, slowest, grown = 0, (0.0, 0), 0
    with ThreadPoolExecutor(processes) as pool:
        for told in pool.map(_work, slices):
            measured = told.pop()
            failures += told
            done += measured["done"]
            slowest = max(slowest, (measured["seconds"], measured["slowest"]))
            grown = max(grown, measured["grown"])
            if READS > SLICE:
                with capsys.disabled():
                    print(f"\nfuzz: {done:,} of {READS:,} read, {len(failures)} failures", end="", flush=True)
    print(f"\n{done} read, the slowest {slowest[0]} s (number {slowest[1]}), at most {grown >> 10} MB more memory")
    assert not failures, _summary(failures)
    assert done == READS


def _work(numbers: tuple[int, int]) -> list[dict[str, Any]]:
    """Let a process read a range of numbers; go on with another where its memory had grown too much."""
    command = [sys.executable, str(WORKER), *map(str, numbers)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, stdin=subprocess.DEVNULL)
    told: list[dict[str, Any]] = [json.loads(line) for line in run.stdout.splitlines()]
    done = told[-1]["done"]
    if numbers[0] + done == numbers[1]:
        return told
    more = _work((numbers[0] + done, numbers[1]))
    more[-1]["done"] += done
    return told[:-1] + more


def _summary(failures: list[dict[str, Any]]) -> str:
    """Tell each kind of failure with how often there was one, and the first numbers."""
    kinds = Counter(failure["failure"] for failure in failures)
    lines = []
    for kind, count in kinds.most_common(MOST_TOLD):
        numbers = [str(failure["seed"]) for failure in failures if failure["failure"] == kind]
        lines.append(f"{count} times {kind}: numbers {', '.join(numbers[:5])}")
    return "\n" + "\n".join(lines)


def test_identity_is_what_pydicom_and_dcmtk_say_or_a_finding_says_why_not(tmp_path: Path) -> None:
    wrong: list[str] = []
    compared: Counter[str] = Counter()
    objects = _objects()
    while batch := list(islice(objects, 250)):
        by_dcmtk = (
            theirs_by_dcmtk([data for _, data in batch], tmp_path) if shutil.which("dcmdump") else [None] * len(batch)
        )
        for (name, data), dcmtk in zip(batch, by_dcmtk, strict=True):
            mine = ours(data)
            if mine is None:
                continue
            others: dict[str, Identity | None] = {"pydicom": theirs_by_pydicom(data), "DCMTK": dcmtk}
            compared.update(who for who, identity in others.items() if identity is not None)
            told = [disagreement(mine, who, identity) for who, identity in others.items()]
            wrong += [f"{name}: {each}" for each in told if each is not None]
    print(f"\nfrom number {FIRST} on {COMPARED} changed objects, and the real files; compared: {dict(compared)}")
    assert not wrong, "\n" + "\n".join([f"{len(wrong)} in all", *wrong[:MOST_TOLD]])
    assert compared["pydicom"] > COMPARED // 10


def _objects() -> Iterator[tuple[str, bytes]]:
    """Iterate over the real files, then over changed objects, with a name for each."""
    for path in real_files():
        if path.stat().st_size < 1 << 20 or COMPARED > 1000:
            yield path.name, path.read_bytes()
    for number in range(FIRST, FIRST + COMPARED):
        yield f"number {number}", changed(number).data


def test_a_number_always_makes_the_same_object() -> None:
    program = "from fuzz_changes import changed; print(changed(7).data.hex())"
    command = [sys.executable, "-c", program]
    again = subprocess.run(command, cwd=WORKER.parent, capture_output=True, check=True, text=True)
    assert again.stdout.strip() == changed(7).data.hex()
    assert len({changed(number).data for number in range(200)}) > 190


@pytest.mark.parametrize(
    "text",
    [
        b'{"00080005":{"vr":"CS","Value":["ISO_IR 100"]}}',
        b'{"00100020":{"vr":"LO","Value":["a"]},"00100010":{"vr":"PN"}}',
        b'{"00280010":{"vr":"US","Value":["1"]}}',
        b'{"00280010":{"vr":"US","Value":[NaN]}}',
        b'{"00280010":{"vr":"US"},"00280010":{"vr":"US"}}',
        b'{"00020010":{"vr":"UI"}}',
        b'{"00100020":{"vr":"LO","BulkDataURI":"x"}}',
        b'{"00100020":{"vr":"LO","Value":["\\u0000"]}}',
        b'{"00100010":{"vr":"PN","Value":["A"]}}',
        b'{"7FE00010":{"vr":"OW","InlineBinary":"AAAA"}}',
        b'{"0040A730":{"vr":"SQ","Value":[{"0008010":{"vr":"SH"}}]}}',
        b'{"00100020":{"vr":"L\xf6"}}',
        b"{" * 2000,
    ],
)
def test_what_is_not_dicom_json_is_seen(text: bytes) -> None:
    with pytest.raises(WrongJsonError):
        checked_json(text)
