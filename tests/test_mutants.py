"""The contracts find faults: a mutant of each embedded backend here, all of them where the environment asks for it.

`DICOM_COMMON_TEST_MUTANTS=all` runs every one and demands that 95 % are found; `python tests/mutants.py --all --json`
makes the table. A name, or several with commas between them, runs those.
"""

from __future__ import annotations

import os
from collections import Counter

import mutants
import pytest

mutants.load()
SAMPLE = (
    "storage-ignores-the-digest",
    "cache-looks-before-it-deletes",
    "broker-acknowledges-all-below",
    "index-loses-the-last-event",
    "keyring-joins-tenant-and-context",
    "tokens-forgets-the-check-claim-aud",
)
CHOSEN = os.environ.get("DICOM_COMMON_TEST_MUTANTS", "")
NAMES = SAMPLE if CHOSEN in ("", "all") else tuple(CHOSEN.split(","))
LEAST = 80
FOUND = 0.95


def test_there_are_mutants_of_every_backend() -> None:
    counts = Counter(one.backend for one in mutants.MUTANTS.values())
    assert counts.keys() == {"storage", "index", "cache", "broker", "keyring", "tokens"}
    assert counts.total() >= LEAST
    assert min(counts.values()) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_mutant_is_found(name: str) -> None:
    assert mutants.run(mutants.MUTANTS[name]).by


@pytest.mark.skipif(CHOSEN != "all", reason="DICOM_COMMON_TEST_MUTANTS=all runs every mutant")
@pytest.mark.slow
def test_nearly_all_mutants_are_found() -> None:
    survivors = [name for name, one in mutants.MUTANTS.items() if not mutants.run(one).by]
    assert len(survivors) <= len(mutants.MUTANTS) * (1 - FOUND), survivors


@pytest.mark.skipif(CHOSEN != "all", reason="DICOM_COMMON_TEST_MUTANTS=all runs every mutant")
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["storage", "index", "cache", "broker", "keyring", "tokens"])
def test_without_a_fault_the_contract_holds(backend: str) -> None:
    assert mutants.unmutated(backend) == ""
