"""Where the servers are that tests need."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Endpoint", "Found", "find_options", "find_service", "variable"]

_SECONDS = 60


class Endpoint(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Found(NamedTuple):
    """The answer of a search for a server: an endpoint and who named it, or the reason why none was found."""

    endpoint: Endpoint | None
    origin: str | None
    reason: str | None


def variable(name: str) -> str:
    """Tell the environment variable that names the endpoint of a service."""
    return f"DICOM_COMMON_TEST_{name.upper().replace('-', '_')}"


def find_service(name: str, root: Path) -> Found:
    """Look for a server: in the environment, then among those that the repository's `tools/services.py` has started.

    Raises:
        ValueError: the variable does not hold `host:port`.
    """
    key = variable(name)
    script = root / "tools" / "services.py"
    for origin, variables in (("environment", os.environ), ("tools/services.py", _started(script))):
        if text := variables.get(key):
            host, _, port = text.rpartition(":")
            if not host or not port.isdecimal():
                raise ValueError(f"{key} must be host:port")
            return Found(Endpoint(host.strip("[]"), int(port)), origin, None)
    hint = f", or run `python3 tools/services.py start {name}`" if script.is_file() else ""
    return Found(None, None, f"no server for {name}: set {key}=host:port{hint}")


def find_options(name: str, root: Path) -> dict[str, str]:
    """Collect what is known of a service beside its endpoint, such as the keys of an account made for tests.

    `DICOM_COMMON_TEST_S3_ACCESS_KEY` is the option `access_key` of the service `s3`. They come from where the endpoint
    comes from: who names a server by the environment names its options there too.
    """
    prefix = variable(name) + "_"
    given = os.environ if variable(name) in os.environ else _started(root / "tools" / "services.py")
    return {key.removeprefix(prefix).lower(): value for key, value in given.items() if key.startswith(prefix)}


@cache
def _started(script: Path) -> dict[str, str]:
    """Ask the repository's script which servers run; it prints lines such as `export NAME=host:port`."""
    if not script.is_file():
        return {}
    try:
        answer = subprocess.run(  # noqa: S603  # the repository's own script, whose tests are being run
            [sys.executable, script, "env"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {}
    words = (shlex.split(line) for line in answer.stdout.splitlines())
    return dict(line[1].split("=", 1) for line in words if len(line) == 2 and line[0] == "export" and "=" in line[1])
