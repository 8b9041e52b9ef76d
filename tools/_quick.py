"""`dev.py test --quick`: lint, types and the fast tests of what was changed, and of what depends on it.

All in one environment that has every package, editable: it is made anew only when a requirement has changed. A test
that needs a server, kills processes or is slow says so by a mark, and is left to the whole suite.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from _changes import changed_files, changed_packages
from _environment import BIN, make_venv, run, step, tool_environment, uncompilable
from _lanes import default_lanes
from _types import search_path, test_turns, tool_files
from _workspace import ROOT, RULES, Package

WORKSPACE = ROOT / ".venv-workspace"
FAST = "not service and not kills and not slow"
NO_TESTS = 5
"""The exit code of pytest where every test was left out."""


@dataclass(frozen=True)
class Check:
    """One piece of work: commands, of which the first that fails ends it."""

    name: str
    commands: list[list[str]]
    with_tests: bool = False
    """Whether mypy needs the folder `tests`."""


def quick(*, lanes: int | None = None) -> int:
    """Check what was changed; 0 only if nothing failed."""
    make_venv()
    _make_workspace()
    files = changed_files()
    changed, affected = changed_packages(files)
    print(f"{len(files)} files changed; packages: {', '.join(p.short_name for p in affected) or 'none'}", flush=True)
    lanes = lanes or default_lanes()
    checks = [*_tests(affected, lanes), *_types(changed, affected, files), _lint()]
    failed = _run(checks, lanes)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nall well", flush=True)
    return 1 if failed else 0


def _make_workspace() -> None:
    stamp = WORKSPACE / ".stamp"
    with step("resolving the requirements of all packages"):
        run(BIN / "uv", "lock", what="resolving the requirements of all packages (uv lock)")
    wanted = (ROOT / "uv.lock").read_text(encoding="utf-8")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    left_out = [f"--no-install-package={name}" for name in uncompilable()]
    with step("installing all packages into one environment"):
        words = ("sync", "--frozen", "--quiet", "--all-packages", "--all-groups", "--inexact", *left_out)
        run(BIN / "uv", *words, what="installing all packages", more={"UV_PROJECT_ENVIRONMENT": str(WORKSPACE)})
    stamp.write_text(wanted, encoding="utf-8")


def _program(name: str) -> str:
    return str(WORKSPACE / "bin" / name)


def _lint() -> Check:
    return Check("lint", [[_program("ruff"), "check", "."], [_program("ruff"), "format", "--check", "."]])


def _types(changed: list[Package], affected: list[Package], files: list[str]) -> list[Check]:
    """Check the code of all that may break, and the tests of what was changed: one mypy at a time, for its cache."""
    mypy = _program("mypy")
    commands = [[mypy, *(str(package.folder / "src") for package in affected if package.module)]] if affected else []
    commands += [[mypy, *map(str, turn)] for turn in test_turns(changed)]
    if any(file.startswith(("tools/", "noxfile.py")) for file in files):
        commands.append([mypy, *map(str, tool_files())])
    of_tests = [file for file in files if file.startswith("tests/") and file.endswith(".py") and (ROOT / file).exists()]
    found = [Check("types", commands)] if commands else []
    return [*found, Check("types of tests/", [[mypy, *of_tests]], with_tests=True)] if of_tests else found


def _tests(affected: list[Package], lanes: int) -> list[Check]:
    tested = [package for package in affected if any(package.tests.rglob("test_*.py"))]
    # One process for each package keeps a processor busy; few packages are divided among the processors.
    spread = [] if len(tested) >= lanes else [f"--numprocesses={lanes}", "--dist=worksteal"]
    pytest = [_program("pytest"), "-q", "--no-header", "-m", FAST]
    checks = [Check("layout", [[*pytest, "--noconftest", *RULES]])]
    tested.sort(key=lambda package: -sum(file.stat().st_size for file in package.tests.rglob("*.py")))
    return checks + [
        Check(package.short_name, [[*pytest, *spread, str(package.tests.relative_to(ROOT))]]) for package in tested
    ]


def _run(checks: list[Check], lanes: int) -> list[str]:
    """Run the checks, `lanes` at a time, and show the output of those that fail."""
    waiting: queue.SimpleQueue[Check] = queue.SimpleQueue()
    for check in checks:
        waiting.put(check)
    failed: list[str] = []
    lock = threading.Lock()

    def lane() -> None:
        while True:
            try:
                check = waiting.get_nowait()
            except queue.Empty:
                return
            begin = monotonic()
            output, went_well = _outcome(check)
            with lock:
                if not went_well:
                    failed.append(check.name)
                    print(output)
                print(f"- {check.name}: {'well' if went_well else 'FAILED'}, {monotonic() - begin:.1f} s", flush=True)

    threads = [threading.Thread(target=lane, name=f"quick-{number}") for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def _outcome(check: Check) -> tuple[str, bool]:
    output = ""
    for command in check.commands:
        environment = tool_environment(os.environ) | search_path(with_tests=check.with_tests)
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        output += done.stdout + done.stderr
        is_empty = Path(command[0]).name == "pytest" and done.returncode == NO_TESTS
        if done.returncode != 0 and not is_empty:
            return output, False
    return output, True
