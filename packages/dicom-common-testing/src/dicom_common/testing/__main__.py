"""`python -m dicom_common.testing`: make the repository of a new backend, and read how one is written."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

from dicom_common.testing._scaffold._make import PROTOCOLS, ScaffoldError, make

__all__ = ["main"]

_EXAMPLES = """examples:
  python -m dicom_common.testing guide storage
  python -m dicom_common.testing new storage tape
  python -m dicom_common.testing new broker nats --output ../nats

Storage, cache and auth begin as small backends that work; db, broker and keyring begin as the methods that are to
be written."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit code 2 where it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m dicom_common.testing", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make the repository of a new backend")
    new.add_argument("kind", choices=sorted(PROTOCOLS))
    new.add_argument("name", help="how the configuration will call it: a-z, 0-9, and single hyphens")
    new.add_argument("--output", type=Path, help="the folder to make; default: dicom-common-KIND-NAME, here")
    guide = commands.add_parser("guide", help="print how a backend of a kind is written, step by step")
    guide.add_argument("kind", choices=sorted(PROTOCOLS))
    given = parser.parse_args(arguments)
    if given.command == "guide":
        sys.stdout.write((Path(__file__).parent / "_guide" / f"{given.kind}.md").read_text(encoding="utf-8"))
        return 0
    if given.name in {each.name for each in entry_points(group=f"dicom_common.{given.kind}")}:
        parser.error(f"a {given.kind} backend {given.name!r} is installed: choose another name.")
    return announce(parser, given.kind, given.name, given.output, version("dicom-common-core"))


def announce(parser: argparse.ArgumentParser, kind: str, name: str, output: Path | None, core: str) -> int:
    """Make a repository, and say what comes next."""
    folder = output or Path(f"dicom-common-{kind}-{name}")
    try:
        make(kind, name, folder, core=core)
    except ScaffoldError as error:
        parser.error(str(error))
    sys.stdout.write(
        f"{folder} is made. Next:\n"
        f"  cd {folder} && python3 -m venv .venv && .venv/bin/pip install --editable '.[test]'\n"
        "  .venv/bin/pytest\n"
        f"  .venv/bin/python -m dicom_common.testing guide {kind}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
