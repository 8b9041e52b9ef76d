"""Where the tools run: the folder `.venv` with uv and nox, and the variables that their processes get."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from types import MappingProxyType

from _workspace import META, ROOT

VENV = ROOT / ".venv"
BIN = VENV / "bin"
TOOLS = ("uv>=0.9", "nox[uv]>=2025.5")
NOT_PASSED_ON = (
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "NOX_SESSION", "UV_PROJECT_ENVIRONMENT"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
"""Variables of whoever starts a tool that would change what the tool does."""


SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
"""The Python versions that packages are tested on, the oldest first."""
NEWEST = SUPPORTED[-1]


COMPILED = {"mysqlclient": ("libmariadb", "mysqlclient")}
"""Requirements that pip compiles on Linux, and the pkg-config modules of which one is needed for it."""


class ToolError(Exception):
    """Something that the person at the keyboard can mend; the message is one sentence that says how."""


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Print what is being done, and how long it took."""
    print(f"- {text} ...", end=" ", flush=True)
    start = monotonic()
    try:
        yield
    except BaseException:
        print("failed")
        raise
    print(f"{monotonic() - start:.1f} s")


def tool_environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for uv, nox and what they start.

    uv downloads no Python; the interpreters of pyenv are on PATH, before its shims, which fail for versions that are
    not switched on; and pip's settings for indexes and certificates hold for uv too. Bytecode is written: tests start
    thousands of processes, each of which would compile all that it imports.
    """
    environment = dict(base)
    for name in NOT_PASSED_ON:
        environment.pop(name, None)
    environment["UV_COMPILE_BYTECODE"] = "1"
    pyenv = Path(environment.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    readable = os.access(pyenv, os.R_OK | os.X_OK)  # it may be another user's, under `sudo -u`
    versions = [str(path) for version in SUPPORTED if readable for path in sorted(pyenv.glob(f"{version}.*/bin"))]
    path = [str(BIN), *versions, environment.get("PATH", os.defpath)]
    environment["PATH"] = os.pathsep.join(dict.fromkeys(os.pathsep.join(path).split(os.pathsep)))
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    for theirs, ours in (
        ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"),
        ("UV_INDEX", "PIP_EXTRA_INDEX_URL"),
        ("SSL_CERT_FILE", "PIP_CERT"),
    ):
        if ours in environment:
            environment.setdefault(theirs, environment[ours])
    return environment


def pythons_here() -> tuple[str, ...]:
    """Return the versions to test on: the newest only where it is installed; that another one is missing is said."""
    is_there = shutil.which(f"python{NEWEST}", path=tool_environment()["PATH"]) is not None
    return tuple(version for version in SUPPORTED if version != NEWEST or is_there)


@functools.cache
def uncompilable() -> tuple[str, ...]:
    """The requirements that cannot be installed here, because their compiler or library is missing."""
    config = shutil.which("pkg-config")
    if config is None or shutil.which("cc") is None:
        return tuple(COMPILED)
    found = {
        name: any(subprocess.run([config, "--exists", module], check=False).returncode == 0 for module in modules)
        for name, modules in COMPILED.items()
    }
    return tuple(name for name, there in found.items() if not there)


def run(*command: str | Path, what: str, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a command with `more` variables. Where it fails, show its output; ToolError names `what` it was for."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**tool_environment(), **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print("\n" + "\n".join(done.stdout.splitlines()[-30:]), file=sys.stderr)
        raise ToolError(f"{what} failed (exit code {done.returncode}); what it said stands above.")


def make_venv() -> None:
    """Make `.venv` with uv and nox, unless it is there and belongs to this Python and this folder."""
    stamp = fingerprint(*TOOLS)
    if stamped("tools") == stamp:
        return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolError(
            f"this Python ({sys.executable}) cannot make virtual environments: install its package for that "
            f"(Debian, Ubuntu: apt-get install python{version}-venv), or run tools/dev.py with another Python >= 3.11."
        )
    with step(f"making {VENV.name} with Python {sys.version.split()[0]}"):
        shutil.rmtree(VENV, ignore_errors=True)
        run(sys.executable, "-m", "venv", VENV, what="making the virtual environment")
    with step("installing uv and nox from PyPI"):
        pip = (BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, *TOOLS, what="installing uv and nox with pip (is the network there?)")
    mark("tools", stamp)


def install_embedded() -> None:
    """Install the embedded set and the web front end from the workspace into `.venv`, editable."""
    make_venv()
    stamp = fingerprint(*(file.read_text(encoding="utf-8") for file in pyproject_files()))
    if stamped("embedded") == stamp:
        return
    with step("installing the embedded set and its requirements"):
        install = (BIN / "uv", "pip", "install", "--quiet", f"--python={BIN / 'python'}")
        run(*install, "--editable", f"{ROOT / 'packages' / META}[web]", what="installing the embedded set")
    mark("embedded", stamp)


def pyproject_files() -> list[Path]:
    """All pyproject.toml of the workspace: what is installed depends on them."""
    return [ROOT / "pyproject.toml", *sorted((ROOT / "packages").glob("*/pyproject.toml"))]


def fingerprint(*parts: str) -> str:
    """Hash what an environment depends on: the Python, the folder (scripts hold its path), and `parts`."""
    text = "\0".join((sys.version, sys.base_prefix, str(VENV), *parts))
    return hashlib.sha256(text.encode()).hexdigest()


def stamped(name: str) -> str | None:
    """Return what `mark` wrote, if the environment is there."""
    if not (BIN / "python").exists():
        return None
    with contextlib.suppress(OSError):
        return (VENV / f".stamp-{name}").read_text(encoding="ascii")
    return None


def mark(name: str, stamp: str) -> None:
    """Note that a part of the environment is complete."""
    (VENV / f".stamp-{name}").write_text(stamp, encoding="ascii")
