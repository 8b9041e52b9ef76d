"""Reconciliations that are interrupted, killed, or run while others work go on and harm nothing."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from pipeline_site import Make, Site
from reconciled_site import KINDS, everything, forget, lose_index, reconcile

from dicom_common.core import UnavailableError
from dicom_common.pipeline import Action, Difference, Progress, Reconciliation


class Interrupt(Exception):  # noqa: N818 - it is no error
    pass


@pytest.mark.parametrize("options", [{"repair": True}, {"rebuild": True}])
def test_an_interrupted_run_goes_on_and_tells_everything_in_the_end(
    site: Site, make: Make, options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_common.pipeline._reconcile._reconcile._BATCH", 4)
    site.store(*(make(sop) for sop in range(1, 21)))
    orphans = [forget(site, f"2.25.1.1.1.{sop}") for sop in range(3, 15)]
    missing = site.rows[0].key
    (site.data / "objects" / missing).unlink()
    expected = {(KINDS.ORPHAN, key, "indexed") for key in orphans} | {(KINDS.MISSING, missing, "none")}

    read: list[Progress] = []
    for stop in itertools.count(1):
        seen = itertools.count(1)

        def interrupt(progress: Progress, stop: int = stop, seen: Iterator[int] = seen) -> None:
            read.append(progress)
            if next(seen) == 2 and stop < 6:
                raise Interrupt

        run = Reconciliation(site.config(), jobs=1, on_progress=interrupt, **options)
        try:
            found = list(run.run())
        except Interrupt:
            continue
        break
    assert stop > 3
    assert {(difference.kind, difference.key, difference.action) for difference in found} == expected
    assert len(found) == len(expected)
    assert len(site.rows) == 20
    assert sum(progress.compared for progress in {id(p): p for p in read}.values()) < 2 * 20 + 4 * 6


def test_another_kind_of_run_does_not_go_on_from_one_that_was_interrupted(filled: Site) -> None:
    row = filled.rows[0]
    (filled.data / "objects" / row.key).unlink()

    def interrupt(_: Progress) -> None:
        raise Interrupt

    with pytest.raises(Interrupt):
        list(Reconciliation(filled.config(), jobs=1, on_progress=interrupt).run())
    for options in ({"repair": True}, {"digests": False}, {"restart": True}, {}):
        assert reconcile(filled, **options) == [Difference(KINDS.MISSING, row.key, Action.NONE)]


def test_two_runs_at_once_are_refused(filled: Site) -> None:
    file = filled.rows[0].key
    (filled.data / "objects" / file).unlink()
    first = Reconciliation(filled.config(), jobs=1).run()
    assert next(first).kind == KINDS.MISSING
    with pytest.raises(UnavailableError, match="Another reconciliation is running"):
        reconcile(filled)
    assert list(first) == []
    assert len(reconcile(filled)) == 1


def test_a_journal_that_is_broken_is_told(filled: Site) -> None:
    (filled.data / "reconcile.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(Exception, match="Delete it and try again"):
        reconcile(filled)


_KILLED = """
import os, signal, sys
from dicom_common.host import Config
from dicom_common.pipeline import Reconciliation
from dicom_common.pipeline._reconcile import _reconcile
_reconcile._BATCH = 3
turns = int(sys.argv[2])
def on_progress(progress):
    global turns
    turns -= 1
    if turns < 0:
        os.kill(os.getpid(), signal.SIGKILL)
config = Config.load(overrides={"data": sys.argv[1]}, variables={})
for difference in Reconciliation(config, rebuild=True, jobs=1, on_progress=on_progress).run():
    pass
"""


@pytest.mark.kills
@pytest.mark.parametrize("turns", [1, 5])
def test_a_rebuild_that_is_killed_goes_on_and_the_index_equals_the_old_one(filled: Site, turns: int) -> None:
    before = everything(filled)
    lose_index(filled)
    command = [sys.executable, "-c", _KILLED, str(filled.data), str(turns)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    reconcile(filled, rebuild=True)
    assert everything(filled) == before
    assert reconcile(filled) == []


def test_a_repair_while_instances_are_taken_in_harms_none(site: Site, make: Make) -> None:
    stop = threading.Event()
    problems: list[object] = []

    def repair() -> None:
        while not stop.is_set():
            problems.extend(
                difference
                for difference in reconcile(site, repair=True, restart=True)
                if difference.kind in (KINDS.MISSING, KINDS.DAMAGED, KINDS.UNREADABLE)
            )

    thread = threading.Thread(target=repair)
    thread.start()
    answers = [
        answer
        for first in range(1, 60, 3)
        for answer in site.store(
            *(make(sop, payload=bytes([who]) * 2) for who in (1, 2) for sop in range(first, first + 3)),
            ingest__duplicates="replace",
        )
    ]
    stop.set()
    thread.join()
    assert problems == []
    assert {str(answer.status) for answer in answers} <= {"stored", "replaced", "duplicate"}
    assert len(site.rows) == 60
    assert reconcile(site, repair=True) == []
    assert set(site.objects.values()) == {make(sop, payload=b"\2\2") for sop in range(1, 61)}
    site.assert_consistent()
