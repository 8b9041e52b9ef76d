"""Plain text tables for the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the last column is cut where the terminal ends, and never where there is no terminal."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}")
    limit = shutil.get_terminal_size((0, 0)).columns
    for row in (head, ["-" * width for width in widths], *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(line[: limit - 1] + "…" if 0 < limit < len(line) else line)
