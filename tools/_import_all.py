"""Import every module of every installed package of ours; run by the sessions `imports` inside their environment."""

from __future__ import annotations

import importlib
import pkgutil
import sys

from _workspace import packages


def main() -> int:
    """Import all and name what cannot be imported; exit code 1 if there is any."""
    failed = 0
    count = 0
    for package in packages():
        if package.module is None:
            continue
        names = [package.module]
        try:
            root = importlib.import_module(package.module)
            names += [found.name for found in pkgutil.walk_packages(root.__path__, f"{package.module}.")]
            for name in names[1:]:
                if not name.endswith(".__main__"):
                    importlib.import_module(name)
        except ImportError as error:
            if error.name == "MySQLdb":  # compiled on Linux, and left out where that cannot be done
                print(f"left out: {package.name} needs mysqlclient, which is not installed here")
                continue
            print(f"{package.name}: {error}", file=sys.stderr)
            failed += 1
        count += len(names)
    print(f"{count} modules of {len(packages())} packages imported on Python {sys.version.split()[0]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
