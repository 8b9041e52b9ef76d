"""Write the frozen SQL of the plugins from the expressions of SQLAlchemy; `--check` only compares.

Run it where a table or a statement of the index was changed; the plugin's tests fail until it was.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from dicom_common.db.sql import Frozen
from dicom_common.db.sql.testing import frozen_sql
from dicom_common.db.sqlite import Settings
from dicom_common.db.sqlite._connections import Connections
from dicom_common.db.sqlite._dialect import FROZEN as FILE, SqliteDialect


def main() -> int:
    """Return 1 where a file is not what it should be, and `--check` is given."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(path=Path(folder) / "index.sqlite")
        connections = Connections(settings)
        made = frozen_sql(SqliteDialect(connections, settings.path, Frozen()), has_script=True)
        connections.close()
    if FILE.read_text(encoding="utf-8") == made:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{FILE.name} is not what the expressions say: run python3 tools/frozen_sql.py.")
        return 1
    FILE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
