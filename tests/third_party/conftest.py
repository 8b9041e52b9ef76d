"""The repositories beside this file have tests of their own, which run in environments of their own."""

from __future__ import annotations

collect_ignore_glob = ["*/tests/*", "*/src/*"]
