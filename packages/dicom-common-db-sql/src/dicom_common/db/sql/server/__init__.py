"""What runs on database servers: a pool of connections, which is SQLAlchemy's, and dialects on it."""

from dicom_common.db.sql.server._dialect import ServerDialect
from dicom_common.db.sql.server._pool import Driver, Pool

__all__ = ["Driver", "Pool", "ServerDialect"]
