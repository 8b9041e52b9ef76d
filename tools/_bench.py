"""`dev.py bench`: runs the benchmarks and compares their ratios with their targets."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _environment import BIN, ToolError, make_venv, tool_environment
from _table import print_table
from _workspace import ROOT


def benchmark_files() -> list[Path]:
    """Return the files of all benchmarks."""
    return [*ROOT.glob("tests/benchmarks/bench_*.py"), *ROOT.glob("packages/*/tests/benchmarks/bench_*.py")]


def list_benchmarks() -> int:
    """Print the word by which `dev.py bench` runs each file, and what it measures: the first line of its docstring."""
    rows = []
    for file in sorted(benchmark_files(), key=lambda one: one.name):
        told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        rows.append((file.stem.removeprefix("bench_"), told.partition("\n")[0]))
    print_table("Benchmarks", ("name", "what it measures"), rows)
    return 0


def bench(names: Sequence[str], *, as_json: bool) -> int:
    """Run the benchmark files that have one of `names` in their name (none: all); 1 where a target is missed."""
    files = benchmark_files()
    chosen = sorted(file for file in files if not names or any(name in file.name for name in names))
    if not chosen:
        raise ToolError(
            f"no benchmark has {' or '.join(names) or 'bench_'} in its name; there are: "
            f"{', '.join(sorted(file.name for file in files)) or 'none'}."
        )
    make_venv()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "rows.json"
        done = subprocess.run(
            [BIN / "nox", "--session", "bench", "--", output, *chosen],
            cwd=ROOT,
            env=tool_environment(),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if as_json else None,  # so that stdout holds the JSON and nothing else
            check=False,
        )
        rows: list[dict[str, Any]] = json.loads(output.read_text(encoding="utf-8")) if output.exists() else []
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        head = ("benchmark", "ratio", "spread", "target", "unit", "reached")
        print_table("Benchmarks", head, [table_row(row) for row in rows])
    return 1 if done.returncode != 0 or not all(map(reached, rows)) else 0


def reached(row: dict[str, Any]) -> bool:
    """Tell whether a ratio reaches its target; a row without a target is there to be read."""
    if row["target"] is None:
        return True
    return bool(row["ratio"] >= row["target"] if row["better"] == "higher" else row["ratio"] <= row["target"])


def table_row(row: dict[str, Any]) -> tuple[str, ...]:
    """Format one row."""
    target = "" if row["target"] is None else f"{'>=' if row['better'] == 'higher' else '<='} {row['target']:g}"
    spread = row["spread"] if isinstance(row["spread"], str) else json.dumps(row["spread"])
    return (row["name"], f"{row['ratio']:.2f}", spread, target, row["unit"], "yes" if reached(row) else "NO")
