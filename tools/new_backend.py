#!/usr/bin/env python3
"""Make the repository of a new backend, as `python -m dicom_common.testing new` does where that is installed.

Examples:
  python3 tools/new_backend.py storage tape                    makes ./dicom-common-storage-tape
  python3 tools/new_backend.py broker nats --output ../nats
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _workspace import ROOT, find_package


def main() -> int:
    """Run the command; exit code 2 where it cannot be done."""
    core = find_package("core")
    assert core is not None
    sys.path.append(str(core.folder / "src"))  # nothing needs to be installed
    from dicom_common.testing.__main__ import announce  # noqa: PLC0415  # found by the line above
    from dicom_common.testing._scaffold._make import PROTOCOLS  # noqa: PLC0415  # as above

    parser = argparse.ArgumentParser(
        prog="new_backend.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=sorted(PROTOCOLS))
    parser.add_argument("name", help="how the configuration will call it: a-z, 0-9, and single hyphens")
    parser.add_argument("--output", type=Path, help="the folder to make; default: dicom-common-KIND-NAME, here")
    given = parser.parse_args()
    if (ROOT / "packages" / f"dicom-common-{given.kind}-{given.name}").exists():
        parser.error(f"dicom-common has a {given.kind} backend {given.name!r}: choose another name.")
    return announce(parser, given.kind, given.name, given.output, core.version)


if __name__ == "__main__":
    sys.exit(main())
