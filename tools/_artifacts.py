"""The files of a release: a wheel and an sdist, built twice and compared, an SBOM and digests beside them.

They are built of the commit, not of the working tree, in a folder of their own. What a package shares with its siblings
is added there: the licence, the URLs of the project, and links in the README that lead somewhere on a package index.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _environment import BIN, ToolError, make_venv, run, tool_environment
from _releases import Release, git
from _workspace import ROOT, Package

_LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s]+)(\))")
_SPEC = "cyclonedx1.5"


def uv() -> str:
    """Return the path of uv: that of `.venv`, which is made where no other one is on the path."""
    found = shutil.which("uv", path=tool_environment()["PATH"])
    if found is None:
        make_venv()
    return found or str(BIN / "uv")


def build(releases: Iterable[Release], output: Path, repository: str) -> list[Path]:
    """Build the files of some releases, and return the folders of what is to be uploaded.

    Args:
        releases: of which distributions.
        output: gets `<tag>/` with the wheel and the sdist, `<tag>.cdx.json`, and `<tag>.sha256` with digests of both.
        repository: the URL of the repository on its forge.
    """
    folders = []
    output.mkdir(parents=True, exist_ok=True)
    run(uv(), "lock", what="resolving the requirements of all packages (uv lock)")
    for release in releases:
        folder = output / release.tag
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            first, second = (_built(release, Path(scratch) / name, repository) for name in ("one", "the-other"))
            _compare(release, first, second)
            shutil.copytree(first, folder)
        for problem in (problem for file in sorted(folder.iterdir()) for problem in missing_in(file, repository)):
            raise ToolError(f"{release.tag}: {problem}")
        sbom = output / f"{release.tag}.cdx.json"
        sbom.write_text(json.dumps(_sbom(release, sorted(folder.iterdir())), indent=2) + "\n", encoding="utf-8")
        listed = [*sorted(folder.iterdir()), sbom]
        sums = "".join(f"{_digest(file)}  {file.relative_to(output).as_posix()}\n" for file in listed)
        (output / f"{release.tag}.sha256").write_text(sums, encoding="ascii")
        folders.append(folder)
    return folders


def _built(release: Release, scratch: Path, repository: str) -> Path:
    """Build once, in a folder whose name and times are its own: neither may be in what is built.

    Of compiled code only the times are: the path of the sources goes into the names of what rustc compiles.
    """
    is_compiled = release.package.is_compiled
    source, built = (scratch.parent if is_compiled else scratch) / "source", scratch / "built"
    shutil.rmtree(source, ignore_errors=True)
    stage(release, source, repository)
    package = source / "packages" / release.package.name
    more = {"SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct", "HEAD")}
    if is_compiled:
        more |= {
            "CARGO_TARGET_DIR": str(source / "target"),
            "RUSTFLAGS": f"--remap-path-prefix={package}=. --remap-path-prefix={Path.home()}=~",
        }
    # Without these two, the wheel is built of the sdist, which uv unpacks to a place with a random name.
    build = (uv(), "build", "--quiet", "--no-sources", "--sdist", "--wheel", f"--out-dir={built}", package)
    run(*build, what=f"building {release.package.name}", more=more)
    (built / ".gitignore").unlink(missing_ok=True)
    return built


def stage(release: Release, folder: Path, repository: str) -> None:
    """Write the sources of a distribution as they are to be built: those of the commit, with what siblings share."""
    folder.mkdir(parents=True)
    words = ["git", "archive", "HEAD", f"packages/{release.package.name}", "LICENSE"]
    archive = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    package = folder / "packages" / release.package.name
    shutil.move(folder / "LICENSE", package / "LICENSE")
    pyproject, readme = package / "pyproject.toml", package / "README.md"
    pyproject.write_text(with_urls(pyproject.read_text("utf-8"), release, repository), encoding="utf-8")
    readme.write_text(with_absolute_links(readme.read_text("utf-8"), release, repository), encoding="utf-8")
    for path in [*folder.rglob("*"), folder]:
        os.utime(path)  # now, not the time of the commit


def with_urls(pyproject: str, release: Release, repository: str) -> str:
    """Return a pyproject.toml with the file of the licence and the URLs of the project."""
    here = f"packages/{release.package.name}"
    urls = {
        "Homepage": repository,
        "Source": f"{repository}/tree/{release.tag}/{here}",
        "Changelog": f"{repository}/blob/{release.tag}/{here}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
    text, count = re.subn(r'(?m)^license = "MIT"$', 'license = "MIT"\nlicense-files = ["LICENSE"]', pyproject)
    if count != 1 or "urls" in tomllib.loads(pyproject)["project"]:
        raise ToolError(f'{here}/pyproject.toml needs the line `license = "MIT"`, and no URLs: a release adds them.')
    return text + "\n[project.urls]\n" + "".join(f'{name} = "{url}"\n' for name, url in urls.items())


def with_absolute_links(readme: str, release: Release, repository: str) -> str:
    """Return a README whose links to files of the repository are URLs."""
    here = f"packages/{release.package.name}"

    def absolute(match: re.Match[str]) -> str:
        path, mark, part = match[2].partition("#")
        target = posixpath.normpath(posixpath.join(here, path))
        return f"{match[1]}{repository}/blob/{release.tag}/{target}{mark}{part}{match[3]}"

    return _LINK.sub(absolute, readme)


def _compare(release: Release, first: Path, second: Path) -> None:
    one, other = ({file.name: _digest(file) for file in folder.iterdir()} for folder in (first, second))
    if one != other:
        differing = ", ".join(sorted({name for name, _ in one.items() ^ other.items()}))
        raise ToolError(f"{release.tag} cannot be reproduced: two builds of one commit differ in {differing}.")


def missing_in(file: Path, repository: str) -> list[str]:
    """Say what a wheel or an sdist lacks of the licence, the README and the URLs."""
    contents = _contents(file)
    [metadata] = [
        text for name, text in contents.items() if re.search(r"(\.dist-info/METADATA|^[^/]+/PKG-INFO)$", name)
    ]
    head, _, description = metadata.partition("\n\n")
    licences = [text for name, text in contents.items() if name.endswith("/LICENSE")]
    wanted = {
        "the licence": [(ROOT / "LICENSE").read_text(encoding="utf-8")] == licences,
        "a field License-File": "\nLicense-File: " in head,
        "a README": description.startswith("# "),
        "the URLs of the project": f"\nProject-URL: Homepage, {repository}" in head,
    }
    return [f"{file.name} lacks {what}." for what, is_there in wanted.items() if not is_there]


def _contents(file: Path) -> dict[str, str]:
    """Return the texts that an archive holds; those of its code are of no interest."""
    wanted = ("LICENSE", "METADATA", "PKG-INFO")
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return {name: wheel.read(name).decode() for name in wheel.namelist() if name.endswith(wanted)}
    with tarfile.open(file) as sdist:
        members = [member for member in sdist.getmembers() if member.isfile() and member.name.endswith(wanted)]
        return {member.name: sdist.extractfile(member).read().decode() for member in members}  # type: ignore[union-attr]  # a file


def _sbom(release: Release, files: Iterable[Path]) -> dict[str, Any]:
    """Return the CycloneDX document of a distribution: what the lock file resolves its requirements to.

    uv makes it. Its random number and its time are replaced by those that follow from the commit, and addresses of
    files are left out: they are those of the index that the releasing machine uses.
    """
    package = release.package
    document = _exported(package) if not package.is_compiled else _without_requirements(package)
    for component in document["components"]:
        component.pop("externalReferences", None)
        component.pop("properties", None)
        component.setdefault("purl", f"pkg:pypi/{component['name']}@{component['version']}")
    own = document["metadata"]["component"]
    own.pop("properties", None)
    own |= {
        "purl": f"pkg:pypi/{package.name}@{package.version}",
        "description": package.pyproject["project"]["description"],
        "licenses": [{"license": {"id": package.pyproject["project"]["license"]}}],
        "components": [
            {
                "type": "file",
                "bom-ref": file.name,
                "name": file.name,
                "hashes": [{"alg": "SHA-256", "content": _digest(file)}],
            }
            for file in files
        ],
    }
    seconds = int(git("log", "-1", "--format=%ct", "HEAD"))
    document["metadata"]["timestamp"] = dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
    document["serialNumber"] = ""
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    document["serialNumber"] = f"urn:uuid:{number}"
    return document


def _exported(package: Package) -> dict[str, Any]:
    words = [uv(), "export", "--frozen", "--quiet", "--no-default-groups", f"--package={package.name}"]
    done = subprocess.run(
        [*words, f"--format={_SPEC}"],
        cwd=ROOT,
        env=tool_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolError(f"uv cannot export an SBOM of {package.name}: {done.stderr.strip()}")
    exported: dict[str, Any] = json.loads(done.stdout)
    return exported


def _without_requirements(package: Package) -> dict[str, Any]:
    reference: Mapping[str, Any] = {"bom-ref": package.name, "name": package.name, "version": package.version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC.removeprefix("cyclonedx"),
        "version": 1,
        "metadata": {"component": {"type": "library", **reference}},
        "components": [],
        "dependencies": [{"ref": package.name}],
    }


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
