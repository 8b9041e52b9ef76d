"""What the plugins for database servers share: settings, a pool of SQLAlchemy, and dialects on it."""

from dicom_common.db.sql.server._dialect import ServerDialect
from dicom_common.db.sql.server._pool import Driver, Pool
from dicom_common.db.sql.server._settings import Port, ServerSettings

__all__ = ["Driver", "Pool", "Port", "ServerDialect", "ServerSettings"]
