"""What Alembic runs for each migration: on the connection that it is given, in that connection's transaction."""

from __future__ import annotations

from alembic import context

from dicom_common.db.sql._versions import VERSION_TABLE
from dicom_common.db.sql.expressions import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, transactional_ddl=False)
context.run_migrations()
