"""`python -m dicom_common.testing`: make the repository of a backend or an extension, or print how to write one."""

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
  python -m dicom_common.testing new extension gate

For storage, cache, auth and extension, `new` makes one that works; for db, broker and keyring, it makes the methods
for you to write."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns 0; exits 2 if the command fails."""
    parser = argparse.ArgumentParser(
        prog="python -m dicom_common.testing", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="make the repository of a new backend or extension")
    new.add_argument("kind", choices=sorted(PROTOCOLS))
    new.add_argument("name", help="its name in the configuration: a-z, 0-9 and single hyphens")
    new.add_argument(
        "--output", type=Path, help="the folder to make; default: dicom-common-KIND-NAME in the current folder"
    )
    guide = commands.add_parser("guide", help="print how to write a backend of a kind, step by step")
    guide.add_argument("kind", choices=sorted(PROTOCOLS))
    given = parser.parse_args(arguments)
    if given.command == "guide":
        sys.stdout.write((Path(__file__).parent / "_guide" / f"{given.kind}.md").read_text(encoding="utf-8"))
        return 0
    if given.name in {each.name for each in entry_points(group=f"dicom_common.{given.kind}")}:
        parser.error(f"another {given.kind} called {given.name!r} is installed: choose another name.")
    return announce(parser, given.kind, given.name, given.output, version("dicom-common-core"))


def announce(parser: argparse.ArgumentParser, kind: str, name: str, output: Path | None, core: str) -> int:
    """Make a repository, and print the next steps."""
    folder = output or Path(f"dicom-common-{kind}-{name}")
    try:
        make(kind, name, folder, core=core)
    except ScaffoldError as error:
        parser.error(str(error))
    sys.stdout.write(
        f"Made {folder}. Next steps:\n"
        f"  cd {folder} && python3 -m venv .venv && .venv/bin/pip install --editable '.[test]'\n"
        "  .venv/bin/pytest\n"
        f"  .venv/bin/python -m dicom_common.testing guide {kind}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
