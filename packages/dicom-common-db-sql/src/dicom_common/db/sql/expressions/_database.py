"""The tenants and the version of the schema."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, column, select, table

from dicom_common.db.sql._versions import VERSION_TABLE
from dicom_common.db.sql.expressions._tables import tenant

version: Select[Any] = select(column("version_num")).select_from(table(VERSION_TABLE))
tenants = select(tenant.c.name, tenant.c.pk)
