#!/usr/bin/env python3
"""Build the documentation as a site, into build/docs/site: pages that need no network, with search.

Most pages are the READMEs as they are; tools/docs has the concepts, and the rest is generated: the API from docstrings,
the settings from their classes, the picture of the packages from their metadata. A warning is an error.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from _docs_pages import write_pages
from _workspace import ROOT


def main() -> int:
    """Return 0 where the site was built without a warning."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "docs", help="where to; default: build/docs")
    folder = parser.parse_args().output.absolute()
    configuration = write_pages(folder)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", f"--config-file={folder / 'mkdocs.yml'}"]
    # The theme would tell of a successor of MkDocs on each run.
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    code = subprocess.run(words, cwd=ROOT, env=quiet, check=False).returncode
    if code == 0:
        print(f"{Path(configuration['site_dir']) / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
