#!/usr/bin/env python3
"""The commands of this repository. They need Python 3.11 or newer, and nothing else: no installation, no root."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # whoever has an older Python gets this sentence, not a traceback
    sys.exit(f"dicom-common needs Python 3.11 or newer, and this is {sys.version.split()[0]}. Try python3.11.")

import argparse
import os

from _bench import bench, list_benchmarks
from _demo import demo
from _environment import BIN, ToolError, install_embedded
from _quick import quick
from _suite import Choice, test

EXAMPLES = """\
examples:
  python3 tools/dev.py demo                       ingest real DICOM files and look at them
  python3 tools/dev.py test                       everything
  python3 tools/dev.py test storage-filesystem    one package
  python3 tools/dev.py test lint types layout     what takes seconds
  python3 tools/dev.py test core -k plugins       some tests of one package
  python3 tools/dev.py test --quick               lint, types and fast tests of what was changed
  python3 tools/dev.py test chaos                 tests/test_chaos.py, in full: 5,000 instances, 30 kills
  python3 tools/dev.py test crash                 tests/test_crash.py, in full: 50 kills
  python3 tools/dev.py test scale                 tests/test_scale.py, in full: 100,000 instances
  python3 tools/dev.py test fuzz                  tests/test_fuzz.py, in full: 1,000,000 changed objects are read
  python3 tools/dev.py test native                the native reader, in full: compared on 300,000 changed objects
  python3 tools/dev.py test --require-services    fail where a server is missing, as CI does
  python3 tools/dev.py bench reader               benchmarks with `reader` in their name
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make .venv with the tools and the embedded set")
    commands.add_parser("demo", help="ingest the DICOM files that ship with pydicom and show the result")
    test = commands.add_parser(
        "test",
        help="run checks and tests, and sum up what ran against which server",
        description="Without names: everything. A name is a session (lint, types, layout, wheels, docs, integration, "
        "imports), a package (core, storage-filesystem, ...) or a part of tests/ (chaos, readme, ...).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test.add_argument("names", nargs="*", metavar="NAME", help="what to run; default: everything")
    test.add_argument("--quick", action="store_true", help="only what is fast, of the packages that were changed")
    test.add_argument("--require-services", action="store_true", help="a test that lacks its server fails")
    pythons = test.add_mutually_exclusive_group()
    pythons.add_argument("--python", metavar="X.Y", help="run the packages' tests on this Python version")
    pythons.add_argument("--all-pythons", action="store_true", help="run the packages' tests on 3.11 to 3.14")
    test.add_argument(
        "--lanes", type=int, metavar="N", help="how many sessions run at once; default: three on two processors"
    )
    test.add_argument("-k", metavar="EXPRESSION", help="only tests whose name matches (pytest -k)")
    test.add_argument("-x", action="store_true", help="stop each run of pytest at its first failure")
    bench = commands.add_parser(
        "bench",
        help="run the benchmarks and compare the ratios with their targets",
        description="Without names: all benchmarks. Each measures a ratio against a plain way of doing the same work.",
    )
    bench.add_argument("--list", action="store_true", help="list the benchmarks, and run none")
    bench.add_argument("names", nargs="*", metavar="NAME", help="only files with one of these words in their name")
    bench.add_argument("--json", action="store_true", help="print the rows as JSON")
    commands.add_parser("docs", help="build the documentation as a site and check it: the same as `test docs`")
    commands.add_parser("lint", help="ruff: the same as `test lint`")
    commands.add_parser("types", help="mypy --strict: the same as `test types`")
    return top


def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    if arguments.command == "demo":
        return demo()
    if arguments.command == "setup":
        install_embedded()
        print(f"Ready: {os.path.relpath(BIN)}/dicom-common --help")
        return 0
    if arguments.command == "bench":
        return list_benchmarks() if arguments.list else bench(arguments.names, as_json=arguments.json)
    if arguments.command in ("docs", "lint", "types"):
        return test(Choice(names=(arguments.command,)))
    if arguments.quick:
        return quick(lanes=arguments.lanes)
    return test(
        Choice(
            names=tuple(arguments.names),
            require_services=arguments.require_services,
            python=arguments.python,
            all_pythons=arguments.all_pythons,
            lanes=arguments.lanes,
            pytest=(*(("-k", arguments.k) if arguments.k else ()), *(("-x",) if arguments.x else ())),
        )
    )


def main() -> int:
    """Run one command; exit code 0, 1 where something failed, 2 where the command itself could not be run."""
    try:
        return dispatch(parser().parse_args())
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
