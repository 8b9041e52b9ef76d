"""What the tests of an SQL plugin inherit, beside the contract of `dicom_common.testing`, which this needs."""

import pytest

pytest.register_assert_rewrite("dicom_common.db.sql._schema_contract", "dicom_common.db.sql._frozen_contract")

from dicom_common.db.sql._freeze import frozen_sql  # noqa: E402  # behind the registration
from dicom_common.db.sql._frozen_contract import FrozenWriterContract  # noqa: E402  # the same
from dicom_common.db.sql._schema_contract import SchemaContract  # noqa: E402  # the same

__all__ = ["FrozenWriterContract", "SchemaContract", "frozen_sql"]
