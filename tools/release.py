#!/usr/bin/env python3
"""Prepare the release of one distribution: the version's section in its CHANGELOG, the files to upload, the tag.

Examples:
  python3 tools/release.py storage-s3 --dry-run    check, and say what would be done
  python3 tools/release.py storage-s3              write CHANGELOG.md, build into dist/, print the next steps

Set the version in the package's pyproject.toml, and write what changed below "## Unreleased", before.
It commits, tags and uploads nothing: these are the last steps that it prints.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import sys

from _environment import BIN, ToolError, make_venv, run
from _workspace import ROOT, Package, find_package

UNRELEASED = "## Unreleased\n"


def git(*words: str) -> str:
    """Run git in the repository and return what it printed."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"`git {words[0]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def tag_of(package: Package) -> str:
    """Return the tag of the package's present version."""
    return f"{package.name}-v{package.version}"


def released(changelog: str, version: str, today: dt.date) -> str:
    """Return the changelog with what was unreleased below the version, and an empty `Unreleased` on top."""
    head, found, rest = changelog.partition(UNRELEASED)
    if not found:
        raise ToolError('CHANGELOG.md has no line "## Unreleased": write it on top, and below it what changed.')
    changes, following, older = re.match(r"(.*?)(^## |\Z)(.*)", rest, re.DOTALL | re.MULTILINE).groups()  # type: ignore[union-attr]  # matches any text
    if not changes.strip():
        raise ToolError('CHANGELOG.md says nothing below "## Unreleased": write what changed for users.')
    section = f"## {version} - {today.isoformat()}\n\n{changes.strip()}\n"
    return f"{head}{UNRELEASED}\n{section}" + (f"\n{following}{older}" if following else "")


def check(package: Package) -> str:
    """Check that the package can be released now, and return its new changelog."""
    if dirty := git("status", "--porcelain"):
        raise ToolError(f"the working tree has changes ({len(dirty.splitlines())} files): commit or stash them first.")
    if git("tag", "--list", tag_of(package)):
        raise ToolError(f"{tag_of(package)} is there already: raise the version in packages/{package.name}.")
    changelog = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    if re.search(rf"^## {re.escape(package.version)}\b", changelog, re.MULTILINE):
        raise ToolError(f"CHANGELOG.md of {package.name} has a section {package.version} already: raise the version.")
    return released(changelog, package.version, dt.datetime.now(dt.UTC).date())


def release(name: str, *, dry_run: bool) -> None:
    """Prepare the release of one distribution, or say what it would be."""
    package = find_package(name)
    if package is None:
        raise ToolError(f"there is no package {name!r} in packages/.")
    changelog = check(package)
    if dry_run:
        print(f"{package.name} {package.version} can be released as {tag_of(package)}; its CHANGELOG.md would be:\n")
        print(changelog)
        return
    make_venv()
    (package.folder / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    output = ROOT / "dist" / tag_of(package)
    # What is compiled is no member of the workspace: it is named by its folder.
    which = package.folder if package.is_compiled else f"--package={package.name}"
    run(BIN / "uv", "build", which, f"--out-dir={output}", what=f"building {package.name}")
    path = output.relative_to(ROOT)
    print(f"{path} holds what to upload. Next:")
    print(f"  python3 tools/dev.py test {package.short_name} layout wheels")
    print(f"  git commit --all --message 'Release {package.name} {package.version}'")
    print(f"  git tag {tag_of(package)} && git push --follow-tags")
    print(f"  .venv/bin/uv publish {path}/*")


def main() -> int:
    """Run the command; exit code 2 where the release cannot be made."""
    parser = argparse.ArgumentParser(
        prog="release.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", help="a distribution, with or without dicom-common- before it")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    try:
        release(arguments.package, dry_run=arguments.dry_run)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
