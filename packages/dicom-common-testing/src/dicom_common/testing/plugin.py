"""The pytest plugin: tests that need a server say so with `@pytest.mark.service("redis")`."""

from __future__ import annotations
