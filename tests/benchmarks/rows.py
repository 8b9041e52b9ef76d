"""The row of a benchmark: a ratio of two ways of doing the same work, its spread, and what it should be."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Literal

__all__ = ["row", "show"]


def row(
    name: str,
    ratios: Sequence[float],
    target: float | None,
    *,
    better: Literal["higher", "lower"] = "higher",
    unit: str = "times as fast",
) -> dict[str, Any]:
    """Make a row of the ratios of several rounds; a target of None is a figure to be read."""
    return {
        "name": name,
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "target": target,
        "better": better,
        "unit": unit,
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows, for who runs a benchmark by itself; `python3 tools/dev.py bench` runs all."""
    for each in rows:
        low, high = each["spread"]
        bound = (
            ""
            if each["target"] is None
            else f"  target {'>=' if each['better'] == 'higher' else '<='} {each['target']}"
        )
        print(f"{each['name']:<60} {each['ratio']:>6} {each['unit']} ({low} to {high}){bound}")
