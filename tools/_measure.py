"""Run benchmark files and write their rows as JSON: `_measure.py OUTPUT FILE...`; needs all packages installed.

A benchmark file has a function `run() -> list[dict]`; each row has `name`, `ratio`, `spread`, `target`, `unit` and
`better` (`higher` or `lower`). Ratios compare two ways of doing the same work in one run: seconds mean nothing on the
next machine. A `target` of None is a figure to be read.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

FIELDS = ("name", "ratio", "spread", "target", "unit", "better")


def run_benchmark(file: Path) -> list[dict[str, Any]]:
    """Run one file and return its rows, each with the file's name; ValueError says what is wrong with a row."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # child processes of a benchmark find its functions by this name
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name != "MySQLdb":  # compiled on Linux, and left out where that cannot be done
            raise
        print(f"  {file.name} left out: mysqlclient is not installed here")
        return []
    rows: list[dict[str, Any]] = module.run()
    for row in rows:
        if missing := [field for field in FIELDS if field not in row]:
            raise ValueError(f"{file.name}: a row of run() lacks {', '.join(missing)}.")
    return [{"file": file.name, **row} for row in rows]


def main() -> None:
    """Run each file and keep what there is after each, so that a crash loses one file's rows only."""
    output, *files = (Path(argument) for argument in sys.argv[1:])
    rows: list[dict[str, Any]] = []
    for file in files:
        print(f"  {file.name} ...", flush=True)
        rows += run_benchmark(file.resolve())
        output.write_text(json.dumps(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
