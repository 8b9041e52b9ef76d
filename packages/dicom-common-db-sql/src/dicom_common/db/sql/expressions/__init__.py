"""The index in the words of SQLAlchemy: its tables, the expressions of its statements, and what makes SQL of them.

What runs does not import this package. A statement names its expression, as `outbox.oldest` (the module `_outbox`, the
name `oldest`); where the plugin has no frozen SQL of that name, it is compiled here when it is first asked for. See
`dicom_common.db.sql.Texts`.
"""

from dicom_common.db.sql.expressions._compile import compiled
from dicom_common.db.sql.expressions._log_tables import metadata  # with the tables of the logs
from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._types import COLLATIONS, text as text_type

__all__ = ["COLLATIONS", "SqlExpressions", "compiled", "metadata", "text_type"]
