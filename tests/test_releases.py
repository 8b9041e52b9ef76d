"""Releases of single distributions, in a clone of this repository: planned, checked, built twice, and described."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _workspace import ROOT, packages

FORGE = "https://forge.example/images/dicom-common"
NAME = "dicom-common-storage-filesystem"
LINKED = "dicom-common-core"
"""One whose README has links to others."""
NEEDS_UV = pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the path: run this by tools/dev.py")


class Repository:
    """A clone with the tools of this working tree, in which a test may commit and tag."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(folder)], check=True)
        shutil.rmtree(folder / "tools")
        shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        self.git("remote", "remove", "origin")
        for tag in self.git("tag").split():
            self.git("tag", "--delete", tag)
        self.commit("The tools of today")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=A. Tester", "-c", "user.email=tester@clinic.example")
        done = subprocess.run(["git", *identity, *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def replace(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def release(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "tools/release.py", *words],
            cwd=self.folder,
            env={key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("releases") / "repository")


@pytest.fixture
def released(repository: Repository) -> Iterator[Repository]:
    """The clone with a release of one distribution; what a test commits is forgotten."""
    before = repository.git("rev-parse", "HEAD").strip()
    changelog = repository.folder / "packages" / NAME / "CHANGELOG.md"
    if "\n- " not in changelog.read_text(encoding="utf-8").partition("\n## 0")[0]:
        repository.replace(f"packages/{NAME}/CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Something.\n")
    repository.release("prepare", "storage-filesystem")
    repository.commit("Release")
    repository.git("tag", f"{NAME}-v0.1.0")
    yield repository
    repository.git("tag", "--delete", f"{NAME}-v0.1.0")
    repository.git("reset", "--quiet", "--hard", before)


def change(repository: Repository) -> None:
    file = repository.folder / "packages" / NAME / "src" / "dicom_common" / "storage" / "filesystem" / "__init__.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n# Changed.\n", encoding="utf-8")
    repository.commit("A change")


def planned(repository: Repository) -> dict[str, dict[str, object]]:
    return {row["distribution"]: row for row in json.loads(repository.release("plan", "--json"))}


def test_the_plan_names_every_distribution_after_those_that_it_requires(repository: Repository) -> None:
    order = list(planned(repository))
    assert {package.name for package in packages()} < set(order)
    assert order.index("dicom-common-core") < order.index("dicom-common-host") < order.index("dicom-common-cli")
    assert order.index("dicom-common-storage-object") < order.index("dicom-common-storage-s3")
    assert "dicom-common-core " in repository.release("plan", "core")


def test_what_has_not_changed_since_its_tag_is_not_released(released: Repository) -> None:
    row = planned(released)[NAME]
    assert (row["released"], row["commits"], row["next"]) == ("0.1.0", 0, "nothing to release")
    for path in ("tests/test_more.py", "CHANGELOG.md"):  # what is not shipped
        with (released.folder / "packages" / NAME / path).open("a", encoding="utf-8") as file:
            file.write("# more\n")
    released.commit("Tests and words")
    assert planned(released)[NAME]["commits"] == 0


def test_a_change_has_to_be_told_and_the_version_raised(released: Repository) -> None:
    changelog, pyproject = f"packages/{NAME}/CHANGELOG.md", f"packages/{NAME}/pyproject.toml"
    change(released)
    told = released.release("check", code=1)
    assert f"{NAME}: it has 1 commit since {NAME}-v0.1.0, and CHANGELOG.md has no line" in told
    assert told.count("\n") == 1
    released.replace(changelog, "## Unreleased\n", "## Unreleased\n\n- Something new.\n")
    released.commit("Told")
    assert "every change is described, every bound holds" in released.release("check")
    assert f"{NAME}-v0.1.0 is there already: raise the version" in released.release("check", NAME, code=1)
    released.replace(pyproject, 'version = "0.1.0"', 'version = "0.0.9"')
    released.commit("Lower")
    assert "version 0.0.9 is not above 0.1.0" in released.release("check", NAME, code=1)
    released.replace(pyproject, 'version = "0.0.9"', 'version = "0.1.1rc1"')
    released.commit("A candidate")
    assert "the version 0.1.1rc1 is not made of numbers" in released.release("check", NAME, code=2)
    released.replace(pyproject, 'version = "0.1.1rc1"', 'version = "0.1.1"')
    released.commit("Raised")
    assert "1 checked: ready to be released" in released.release("check", NAME)
    released.release("prepare", NAME)
    text = (released.folder / changelog).read_text(encoding="utf-8")
    assert re.match(
        r"# Changelog\n\n## Unreleased\n\n## 0\.1\.1 - \d{4}-\d\d-\d\d\n\n- Something new\.\n\n## 0\.1\.0", text
    )
    assert f"CHANGELOG.md of {NAME} has a section 0.1.1 already" in released.release("prepare", NAME, code=2)
    assert "the working tree has changes (files: 1)" in released.release("check", NAME, code=2)
    released.commit("Prepared")
    assert "1 checked: ready to be released" in released.release("check", f"{NAME}-v0.1.1")


def test_a_version_that_a_sibling_does_not_allow_is_told(released: Repository) -> None:
    released.replace(f"packages/{NAME}/pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    released.replace(f"packages/{NAME}/CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Something new.\n")
    released.commit("A version of its own")
    told = released.release("check", code=1)
    assert f"dicom-common: '{NAME}>=0.1,<0.2' does not allow version 0.2.0" in told


@NEEDS_UV
def test_a_release_is_built_of_the_commit_the_same_each_time(repository: Repository, tmp_path: Path) -> None:
    assert "pass --repository" in repository.release("build", LINKED, code=2)
    readme = repository.folder / "packages" / LINKED / "README.md"
    with readme.open("a", encoding="utf-8") as file:
        file.write("Not committed.\n")
    try:
        digests = []
        for output in (tmp_path / "one", tmp_path / "two"):
            said = repository.release("build", LINKED, f"--repository={FORGE}", f"--output={output}")
            assert "built twice with the same digests" in said
            assert "what is built is the commit" in said
            digests.append((output / f"{LINKED}-v0.1.0.sha256").read_text(encoding="ascii"))
    finally:
        repository.git("checkout", "--", ".")
    assert digests[0] == digests[1]
    tag, output = f"{LINKED}-v0.1.0", tmp_path / "one"
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in digests[0].splitlines())}
    stem = LINKED.replace("-", "_") + "-0.1.0"
    wheel, sdist = f"{tag}/{stem}-py3-none-any.whl", f"{tag}/{stem}.tar.gz"
    assert list(listed) == [wheel, sdist, f"{tag}.cdx.json"]
    for name, digest in listed.items():
        assert hashlib.sha256((output / name).read_bytes()).hexdigest() == digest
    licence = (ROOT / "LICENSE").read_bytes()
    with zipfile.ZipFile(output / wheel) as archive:
        metadata = archive.read(f"{stem}.dist-info/METADATA").decode()
        assert archive.read(f"{stem}.dist-info/licenses/LICENSE") == licence
    with tarfile.open(output / sdist) as archive_of_sources:
        member = archive_of_sources.extractfile(f"{stem}/LICENSE")
        assert member is not None
        assert member.read() == licence
    assert f"Project-URL: Source, {FORGE}/tree/{tag}/packages/{LINKED}\n" in metadata
    assert f"]({FORGE}/blob/{tag}/" in metadata
    assert "](../" not in metadata
    assert "Not committed" not in metadata


@NEEDS_UV
def test_the_sbom_names_what_the_lock_file_resolves_a_distribution_to(repository: Repository, tmp_path: Path) -> None:
    repository.release("build", NAME, f"--repository={FORGE}/", f"--output={tmp_path}")
    sbom = json.loads((tmp_path / f"{NAME}-v0.1.0.cdx.json").read_text(encoding="utf-8"))
    own = sbom["metadata"]["component"]
    assert (sbom["bomFormat"], own["purl"]) == ("CycloneDX", f"pkg:pypi/{NAME}@0.1.0")
    assert [component["name"].rpartition(".")[2] for component in own["components"]] == ["whl", "gz"]
    names = {component["name"] for component in sbom["components"]}
    assert {"dicom-common-core", "pluggy"} <= names
    assert not names & {"sqlalchemy", "minio", "pydicom", "pytest"}
    references = {component["bom-ref"] for component in (*sbom["components"], own)}
    assert {entry["ref"] for entry in sbom["dependencies"]} == references
    assert "http" not in json.dumps(sbom["components"])  # the addresses of the index that was used


CLOCK = """
import pathlib, time
from uv_build import *
from uv_build import build_wheel as real

def build_wheel(*arguments, **options):
    stamp = pathlib.Path("src/dicom_common/auth/none/_stamp.py")
    stamp.write_text(f"BUILT = {time.time_ns()}")
    return real(*arguments, **options)
"""


@NEEDS_UV
def test_what_cannot_be_reproduced_is_not_released(repository: Repository, tmp_path: Path) -> None:
    before = repository.git("rev-parse", "HEAD").strip()
    package = "packages/dicom-common-auth-none"
    (repository.folder / package / "clock.py").write_text(CLOCK, encoding="utf-8")
    backend = 'build-backend = "uv_build"'
    repository.replace(f"{package}/pyproject.toml", backend, 'build-backend = "clock"\nbackend-path = ["."]')
    repository.commit("A build that tells the time")
    said = repository.release("build", "auth-none", f"--repository={FORGE}", f"--output={tmp_path}", code=2)
    repository.git("reset", "--quiet", "--hard", before)
    assert (
        "cannot be reproduced: two builds of one commit differ in dicom_common_auth_none-0.1.0-py3-none-any.whl" in said
    )
    assert list(tmp_path.glob("dicom-common-auth-none*")) == []


def test_a_tag_of_another_version_and_an_unknown_name_are_refused(repository: Repository) -> None:
    wrong = repository.release("build", "dicom-common-core-v9.9.9", f"--repository={FORGE}", code=2)
    assert "the tag dicom-common-core-v9.9.9 is of another version" in wrong
    assert "there is no package 'tape'" in repository.release("plan", "tape", code=2)


def test_the_workflows_call_what_is_there() -> None:
    for workflow in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        text = workflow.read_text(encoding="utf-8")
        for tool, command in re.findall(r"python3 (tools/\w+\.py)(?: ([a-z]+))?", text):
            words = [sys.executable, ROOT / tool, *([command] if command else []), "--help"]
            done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
            assert done.returncode == 0, done.stderr
        for path in re.findall(r"^ +- run: (\.\S+)$", text, re.MULTILINE):
            assert os.access(ROOT / path, os.X_OK)


@pytest.mark.skipif(shutil.which("nox") is None, reason="nox is not on the path: run this by tools/dev.py")
def test_the_ci_matrix_has_every_session_of_every_python() -> None:
    listed = subprocess.run(
        ["nox", "--tags", "ci", "--list", "--json"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    made = subprocess.run(
        [sys.executable, ROOT / "tools" / "ci_matrix.py"], input=listed, capture_output=True, text=True, check=True
    ).stdout
    jobs = {job["name"]: job for job in json.loads(made)["include"]}
    assert {"lint", "types", "layout", "wheels", "integration", "native", "oldest", "downstream"} < jobs.keys()
    assert not {"bench", "constraints"} & jobs.keys()
    tested = [package.name for package in packages() if any(package.tests.rglob("test_*.py"))]
    for python in ("3.11", "3.12", "3.13", "3.14"):
        job = jobs[f"Python {python}"]
        assert job["python"] == python
        assert set(job["sessions"].split()) == {f"imports-{python}", *(f"tests-{name}-{python}" for name in tested)}
