#!/usr/bin/env python3
"""Make the matrix of a CI service from the sessions that nox lists.

  nox --tags ci --list --json | python3 tools/ci_matrix.py

A job runs all sessions of one Python version, or a session that has no version of its own. It prints
`{"include": [{"name": ..., "python": ..., "sessions": ...}]}`, which `fromJSON` of a workflow takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

DEFAULT_PYTHON = "3.11"
"""The Python of the sessions that have none of their own: the oldest that is supported."""


def matrix(sessions: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Group sessions into jobs."""
    jobs: dict[tuple[str, str], list[str]] = {}
    for session in sessions:
        name, python = str(session["session"]), session["python"]
        # `oldest-<package>` are many, and short.
        title = f"Python {python}" if python else name.partition("-")[0]
        jobs.setdefault((title, python or DEFAULT_PYTHON), []).append(name)
    return {
        "include": [
            {"name": title, "python": python, "sessions": " ".join(names)} for (title, python), names in jobs.items()
        ]
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(__doc__)
    else:
        print(json.dumps(matrix(json.load(sys.stdin))))
