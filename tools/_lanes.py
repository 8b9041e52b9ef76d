"""Runs nox sessions side by side, each by a process of its own, and shows what each printed in one piece."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from _environment import BIN
from _workspace import ROOT

LONGEST_FIRST = ("integration", "tests-dicom-common-storage-azure", "tests-dicom-common-broker-kafka", "types")
"""Sessions that take minutes: they start first, so that the run does not end with one of them alone."""


def default_lanes() -> int:
    """Return how many sessions run at once: three for two processors, since many wait for servers; six at most."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(6, processors + processors // 2))


def run_sessions(
    sessions: Sequence[str], words: Sequence[str], environment: Mapping[str, str], *, reports: Path, lanes: int
) -> int:
    """Run nox sessions, `lanes` of them at once; return 0 only if every process of nox succeeded.

    Each leaves `reports/nox/SESSION.json`. Of one lane the output passes as it comes; of several it is shown when a
    session is over, and lies in `reports/log` meanwhile.
    """
    for folder in ("nox", "log"):
        (reports / folder).mkdir(parents=True, exist_ok=True)
    lanes = min(lanes, len(sessions))
    if lanes == 1:
        return max(_run(name, words, environment, reports, log=None) for name in sessions)
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in sorted(sessions, key=_turn):
        waiting.put(name)
    codes: list[int] = []
    printing = threading.Lock()

    def lane() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            log = reports / "log" / f"{name}.txt"
            with printing:
                print(f"- {name} begins (its output: {log.relative_to(ROOT)})", flush=True)
            start = monotonic()
            code = _run(name, words, environment, reports, log=log)
            codes.append(code)
            with printing:
                print(log.read_text(encoding="utf-8", errors="replace"))
                print(f"- {name}: {'success' if code == 0 else 'FAILED'}, {monotonic() - start:.0f} s", flush=True)

    threads = [threading.Thread(target=lane, name=f"lane-{number}") for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(codes)


def _turn(name: str) -> int:
    return next((at for at, long in enumerate(LONGEST_FIRST) if name.startswith(long)), len(LONGEST_FIRST))


def _run(name: str, words: Sequence[str], environment: Mapping[str, str], reports: Path, *, log: Path | None) -> int:
    command = [str(BIN / "nox"), f"--report={reports / 'nox' / f'{name}.json'}", "--session", name, "--", *words]
    if log is None:
        return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    with log.open("wb") as output:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
