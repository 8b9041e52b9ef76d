#!/usr/bin/env python3
"""Release distributions, each by itself: what changed since its last tag, whether a CHANGELOG has it, and the files.

Examples:
  python3 tools/release.py plan                     what changed since each distribution's last tag
  python3 tools/release.py check                    is every change in a CHANGELOG.md, and do the bounds hold?
  python3 tools/release.py check storage-s3         could it be released now?
  python3 tools/release.py prepare storage-s3       write the section of the version in its CHANGELOG.md
  python3 tools/release.py build storage-s3         build the commit twice, compare, and write dist/<tag>*

Set the version in the package's pyproject.toml, and write what changed below "## Unreleased", before.
It commits, tags and uploads nothing: `build` prints the next steps, and the forge takes them when a tag is pushed
(.github/workflows/release.yml).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from _artifacts import build
from _environment import ToolError
from _releases import Release, git, in_order
from _table import print_table
from _workspace import ROOT, all_packages, find_package


def chosen(names: Sequence[str]) -> list[Release]:
    """Return the releases of some distributions, or of all; each after those that it requires."""
    found = []
    for name in names:
        # A tag names its distribution too: the forge passes it on as it is.
        package = find_package(re.sub(r"-v\d+(\.\d+)*$", "", name))
        if package is None:
            raise ToolError(f"there is no package {name!r} in packages/.")
        if name.startswith(f"{package.name}-v") and name != Release(package).tag:
            raise ToolError(f"the tag {name} is of another version: packages/{package.name} has {package.version}.")
        found.append(Release(package))
    return in_order(found or map(Release, all_packages()))


def plan(releases: Sequence[Release], *, as_json: bool) -> int:
    """Show what changed since the last tags, in the order in which releases would be made."""
    rows = [
        {
            "distribution": release.package.name,
            "released": release.last_version,
            "version": release.package.version,
            "commits": len(release.commits),
            "told": release.told,
            "next": _next(release),
        }
        for release in releases
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        heads = ("distribution", "released", "version", "commits", "changes told", "next")
        table = [tuple("-" if cell is None else str(cell) for cell in row.values()) for row in rows]
        print_table("What a release of each would be", heads, table)
    return 0


def _next(release: Release) -> str:
    if release.last_tag and not release.commits:
        return "nothing to release"
    return next(release.obstacles(), "ready")


def check(releases: Sequence[Release], *, named: bool) -> int:
    """Print what is wrong with each; 1 where something is. What is named has to be ready for a release."""
    if named and (dirty := git("status", "--porcelain")):
        raise ToolError(f"the working tree has changes (files: {len(dirty.splitlines())}): commit or stash them first.")
    found = [
        f"{release.package.name}: {problem}"
        for release in releases
        for problem in (release.obstacles() if named else release.problems())
    ]
    for line in found:
        print(line)
    if not found:
        outcome = "ready to be released" if named else "every change is described, every bound holds"
        print(f"{len(releases)} checked: {outcome}")
    return int(bool(found))


def prepare(releases: Sequence[Release]) -> int:
    """Write the section of the version in the CHANGELOG.md of each."""
    texts = [(release, release.prepared(dt.datetime.now(dt.UTC).date())) for release in releases]
    for release, text in texts:
        (release.package.folder / "CHANGELOG.md").write_text(text, encoding="utf-8")
        print(f"{release.package.name} {release.package.version}: CHANGELOG.md has its section. Next:")
        print(f"  git commit --all --message 'Release {release.package.name} {release.package.version}'")
    return 0


def make(releases: Sequence[Release], output: Path, repository: str) -> int:
    """Build the files of each, and print what is left to do."""
    if git("status", "--porcelain"):
        print("note: the working tree has changes; what is built is the commit.", file=sys.stderr)
    for release, folder in zip(releases, build(releases, output, repository), strict=True):
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{release.tag}: {len(list(folder.iterdir()))} files, {size:,} bytes, built twice with the same digests")
        for file in (f"{release.tag}/", f"{release.tag}.cdx.json", f"{release.tag}.sha256"):
            print(f"  {output / file}")
    print("Next, where this is done by hand and not by the forge:")
    for release in releases:
        print(f"  git tag {release.tag} && git push origin {release.tag}")
        print(f"  uv publish {output / release.tag}/*")
    return 0


def forge() -> str | None:
    """Return the URL of the repository on its forge, where the environment or git tells it."""
    if "GITHUB_REPOSITORY" in os.environ:
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{os.environ['GITHUB_REPOSITORY']}"
    remotes = git("remote").split()
    url = git("remote", "get-url", remotes[0]) if remotes else ""
    url = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", url).removesuffix(".git")
    return url if re.fullmatch(r"https://[^@\s]+", url) else None


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="release.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in {
        "plan": "what changed since each distribution's last tag",
        "check": "whether changes are told and bounds hold; with names: whether these can be released",
        "prepare": "write the section of the version in CHANGELOG.md",
        "build": "build wheels and sdists twice, compare them, and write an SBOM and digests",
    }.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        count = "+" if name in ("prepare", "build") else "*"
        command.add_argument("packages", nargs=count, metavar="NAME", help="a distribution, or the tag of its release")
        if name == "plan":
            command.add_argument("--json", action="store_true", help="print the rows as JSON")
        if name == "build":
            command.add_argument("--output", type=Path, default=ROOT / "dist", help="where to; default: dist/")
            command.add_argument(
                "--repository", metavar="URL", help="the repository on its forge; default: that of git's remote"
            )
    return top


def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    releases = chosen(arguments.packages)
    if arguments.command == "plan":
        return plan(releases, as_json=arguments.json)
    if arguments.command == "check":
        return check(releases, named=bool(arguments.packages))
    if arguments.command == "prepare":
        return prepare(releases)
    repository = arguments.repository or forge()
    if repository is None:
        raise ToolError("the URLs of the project are made of that of its repository: pass --repository https://...")
    return make(releases, arguments.output.absolute(), repository.rstrip("/"))


def main() -> int:
    """Run the command; exit code 1 where `check` found something, 2 where the command cannot be run."""
    try:
        return dispatch(parser().parse_args())
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
