"""Fixtures: plugins as real distributions (metadata and modules in a folder on the path), and child processes."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

AddDistribution = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, for this process and its children; what is imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    modules = list(sys.modules.items())
    places = {
        name: [getattr(module, "__file__", None) or "", *map(str, getattr(module, "__path__", []))]
        for name, module in modules
    }
    for name, known in places.items():
        if any(place.startswith(str(folder)) for place in known):
            del sys.modules[name]


@pytest.fixture
def add_distribution(site: Path) -> AddDistribution:
    """Put a distribution in the folder: its metadata as pip would write them, and its modules."""

    def add(
        name: str,
        entries: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
        *,
        requires: tuple[str, ...] = ("dicom-common-core>=0.1,<0.2",),
        metadata: bool = True,
        folder: Path = site,
    ) -> None:
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        if metadata:
            lines = [
                "Metadata-Version: 2.1",
                f"Name: {name}",
                "Version: 1.0",
                *(f"Requires-Dist: {r}" for r in requires),
            ]
            (info / "METADATA").write_text("\n".join(lines) + "\n")
        groups = "".join(f"[{group}]\n{text}\n" for group, text in entries.items())
        (info / "entry_points.txt").write_text(groups)
        for module, source in (modules or {}).items():
            path = folder.joinpath(*module.split(".")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        importlib.invalidate_caches()

    return add


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[[str], str]:
    """Run a program in a process of its own, in an empty folder, and return what it prints."""

    def run(program: str) -> str:
        folder = tmp_path / "cwd"
        folder.mkdir(exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DICOM_COMMON_")}
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=folder,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test runs in a folder without a configuration, and with none in its environment."""
    folder = tmp_path / "cwd"
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("DICOM_COMMON_")]:
        monkeypatch.delenv(name)
    return folder


EXTENSION = """
import dataclasses, threading
from dicom_common.core import Backend, hookimpl

GATE = threading.Event()
CALLS = []


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    limit: int = 7


class Extension:
    def __init__(self, settings, *inner):
        self.settings, self.inner = settings, inner

    HOOKS

    def close(self):
        CALLS.append("closed")


@hookimpl
def dicom_common_extension():
    return Backend("NAME", Settings, Extension)
"""


@pytest.fixture
def add_extension(add_distribution: AddDistribution) -> Callable[[str, str], str]:
    """Install an extension as a module; its hooks are given as the body of a class. Returns the module's name."""

    def add(name: str, hooks: str) -> str:
        module = f"acme_{name}"
        source = EXTENSION.replace("HOOKS", hooks.strip().replace("\n", "\n    ")).replace("NAME", name)
        add_distribution(f"acme-{name}", {"dicom_common.extension": f"{name} = {module}"}, {module: source})
        return module

    return add
