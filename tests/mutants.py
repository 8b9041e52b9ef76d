"""Faults that are put into the embedded backends by hand, to see whether their contracts find them.

A mutant replaces one function or method of a backend while its process lives, in children of the tests, too.
`python tests/mutants.py NAME` runs it against the contract of its kind, in a process of its own; `--all --json` makes
the table.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["MUTANTS", "Verdict", "mutant", "opened", "run", "unmutated"]

Made = TypeVar("Made")
VARIABLE = "DICOM_COMMON_MUTANT"
MODULES = (
    "mutants_storage",
    "mutants_storage_reads",
    "mutants_index",
    "mutants_cache",
    "mutants_broker",
    "mutants_keys",
    "mutants_careless",
)
TESTS = Path(__file__).parent
SECONDS = 1800.0
"""A run that takes longer has hung, and found the mutant in that way."""


@dataclass(frozen=True)
class Mutant:
    """One fault, and a word of the names of the tests that are most likely to find it."""

    name: str
    backend: str
    apply: Callable[[], None]
    likely: str
    survives: str = ""
    """Why no contract can find it, and what does."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a mutant: `by` is the test that found it, empty if none did."""

    name: str
    backend: str
    by: str
    seconds: float
    survives: str
    """Why no contract can find it, where that is known."""


MUTANTS: dict[str, Mutant] = {}


def mutant(
    backend: str, owner: Any, attribute: str, likely: str = "", *, survives: str = ""
) -> Callable[[Callable[..., Any]], None]:
    """Register a function, by its name, that takes the original first and then what the original is given."""

    def register(changed: Callable[..., Any]) -> None:
        name = f"{backend}-{changed.__name__.replace('_', '-')}"
        assert name not in MUTANTS, name

        def apply() -> None:
            original = getattr(owner, attribute)

            @functools.wraps(original)
            def replaced(*arguments: Any, **named: Any) -> Any:
                return changed(original, *arguments, **named)

            setattr(owner, attribute, replaced)

        MUTANTS[name] = Mutant(name, backend, apply, likely, survives)

    return register


def load() -> None:
    """Import the modules that register mutants."""
    for module in MODULES:
        importlib.import_module(module)


@functools.cache
def _applied(name: str) -> None:
    load()
    MUTANTS[name].apply()


def opened(make: Callable[[], Made]) -> Made:
    """Put the fault of this run into this process, once, and open the backend: for `partial`, also in a child."""
    if name := os.environ.get(VARIABLE):
        _applied(name)
    return make()


def run(one: Mutant) -> Verdict:
    """Run the likely tests, then all others, until one fails."""
    started = time.monotonic()
    by = ""
    for selected in dict.fromkeys((one.likely, "")):
        by = _first_failure(one, selected)
        if by:
            break
    return Verdict(one.name, one.backend, by, round(time.monotonic() - started, 1), one.survives)


def unmutated(backend: str) -> str:
    """Return the first test that fails without any fault; empty if all is well."""
    return _first_failure(Mutant("", backend, lambda: None, ""), "")


def _first_failure(one: Mutant, selected: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        words = ["-x", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--basetemp={folder}/made"]
        contract = f"{TESTS / 'mutant_contracts.py'}::Test{one.backend.capitalize()}"
        command = [sys.executable, "-m", "pytest", *words, "-k", selected, contract]
        environment = os.environ | {VARIABLE: one.name, "PYTHONPATH": str(TESTS)}
        try:
            done = subprocess.run(
                command, env=environment, cwd=TESTS, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return "a test that hung"
    if done.returncode not in (0, 1, 5):  # 5: no test has such a name
        raise RuntimeError(done.stdout + done.stderr)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].partition("::")[2].partition("::")[2].partition(" - ")[0] if failed else ""


def main() -> int:
    """Run the mutants that are named, and print what found each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of mutants, or of backends")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    load()
    chosen = [one for one in MUTANTS.values() if arguments.all or {one.name, one.backend} & set(arguments.names)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for verdict in pool.map(run, chosen):
            survived = f"SURVIVED: {verdict.survives}" if verdict.survives else "SURVIVED"
            line = f"{verdict.name:55} {verdict.by or survived} ({verdict.seconds} s)"
            print(json.dumps(asdict(verdict)) if arguments.json else line, flush=True)
    return 0


if __name__ == "__main__":
    sys.modules["mutants"] = sys.modules["__main__"]  # the modules that register import it by its name
    sys.exit(main())
