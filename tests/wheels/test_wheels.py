"""Each wheel is installed alone, from a folder of wheels and the package index, and used.

The session `wheels` of nox builds them and says where they are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from _workspace import META, Package, packages
from guide import follow

FOLDER = Path(os.environ["DICOM_COMMON_TEST_WHEELS"]) if "DICOM_COMMON_TEST_WHEELS" in os.environ else None
PACKAGES = packages()
OURS = (
    "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions() if d.name.startswith('dicom')}))"
)

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def wheel(package: Package) -> Path:
    assert FOLDER is not None, "run this by `python3 tools/dev.py test wheels`, which builds the wheels"
    return FOLDER / f"{package.name.replace('-', '_')}-{package.version}-py3-none-any.whl"


class Environment:
    """A virtual environment with one wheel and what it requires."""

    def __init__(self, folder: Path, package: Package) -> None:
        self.python = folder / "bin" / "python"
        subprocess.run(["uv", "venv", "--quiet", f"--python={sys.executable}", folder], check=True)
        # A constraint binds each name of ours to its wheel: the index is asked for other people's packages only.
        constraints = folder / "ours.txt"
        constraints.write_text("".join(f"{ours.name} @ {wheel(ours).as_uri()}\n" for ours in PACKAGES))
        install = ["uv", "pip", "install", "--quiet", f"--python={self.python}", "--constraint", str(constraints)]
        subprocess.run([*install, str(wheel(package))], check=True)

    def run(self, *words: str | Path, code: int = 0, cwd: Path | None = None) -> str:
        """Run a program of the environment, away from the repository, and return its output."""
        program = self.python.parent / words[0]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [program, *words[1:]],
            cwd=cwd or self.python.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@each_package
def test_a_wheel_holds_its_own_module_and_nothing_else(package: Package) -> None:
    own = f"{package.module.replace('.', '/')}/" if package.module else None
    names = [name for name in zipfile.ZipFile(wheel(package)).namelist() if not name.endswith("/")]
    info = f"{package.name.replace('-', '_')}-{package.version}.dist-info/"
    assert [name for name in names if not name.startswith((own, info) if own else info)] == []
    if own:
        sources = [path for path in (package.folder / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert {str(path.relative_to(package.folder / "src")) for path in sources} <= {*names}, "data is left out"
        assert f"{own}__init__.py" in names
        assert f"{own}py.typed" in names


@each_package
def test_an_sdist_is_built_too(package: Package) -> None:
    assert wheel(package).with_name(f"{package.name.replace('-', '_')}-{package.version}.tar.gz").is_file()


@each_package
def test_a_wheel_installs_alone_and_can_be_imported(package: Package, tmp_path: Path) -> None:
    if "mysqlclient" in " ".join(package.requirements) and "mysqlclient" in os.environ.get(
        "DICOM_COMMON_TEST_LEFT_OUT", ""
    ):
        pytest.skip("mysqlclient cannot be compiled here")
    environment = Environment(tmp_path / "venv", package)
    if package.module:
        # A star import takes every public name, also those that are imported only when they are used.
        names = (
            f"import {package.module} as m; [getattr(m, name) for name in dir(m) if name[0] != '_']; print(m.__file__)"
        )
        assert str(tmp_path / "venv") in environment.run("python", "-c", names)
    installed = environment.run("python", "-c", OURS).split()
    assert set(installed) == closure(package), "what is installed is what pyproject.toml says, and no more"


def closure(package: Package) -> set[str]:
    by_name = {other.name: other for other in PACKAGES}
    required = [re.split(r"[^A-Za-z0-9-]", text, maxsplit=1)[0] for text in package.requirements]
    return {package.name}.union(*(closure(by_name[name]) for name in required if name in by_name))


def test_the_core_comes_alone() -> None:
    core = next(package for package in PACKAGES if package.name == "dicom-common-core")
    assert closure(core) == {"dicom-common-core"}


def test_the_embedded_set_ingests_a_folder_with_no_configuration(tmp_path: Path) -> None:
    meta = next(package for package in PACKAGES if package.name == META)
    environment = Environment(tmp_path / "venv", meta)
    find = "import importlib.util as u; print(u.find_spec('pydicom').submodule_search_locations[0])"
    source = Path(environment.run("python", "-c", find).strip()) / "data" / "test_files" / "CT_small.dcm"
    lines = environment.run("dicom-common", "ingest", "--json", source, cwd=tmp_path).splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["stored"]
    again = environment.run("dicom-common", "ingest", "--json", source, cwd=tmp_path).splitlines()
    assert [json.loads(line)["status"] for line in again] == ["duplicate"]
    assert "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322" in environment.run(
        "dicom-common", "find", "--json", cwd=tmp_path
    )


def test_by_the_guide_alone_a_storage_in_a_dictionary_passes_its_contract(tmp_path: Path) -> None:
    kit = next(package for package in PACKAGES if package.short_name == "testing")
    environment = Environment(tmp_path / "environment", kit)
    made = follow(environment.python, tmp_path)
    install = ["uv", "pip", "install", "--quiet", "--no-deps", f"--python={environment.python}"]
    subprocess.run([*install, "--editable", str(made)], check=True)
    output = environment.run("pytest", "-q", "-p", "no:cacheprovider", cwd=made)
    assert re.search(r"1[0-9]{2} passed, [0-9]+ skipped, 1 xfailed", output), output


def test_without_the_kit_there_is_no_command_verify(tmp_path: Path) -> None:
    command = next(package for package in PACKAGES if package.short_name == "cli")
    environment = Environment(tmp_path / "environment", command)
    assert "verify" not in environment.run("dicom-common", "--help")
    environment.run("dicom-common", "verify", "storage", code=2)
