"""The first schema. It is frozen: a change of the tables is a migration of its own behind it.

The tables are written out, not taken from the code, which goes on. Only the types are: they say how a database product
writes a text or a number, and a change of those needs a migration too.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, UniqueConstraint, insert, select

from dicom_common.db.sql._steps import FIRST_ROWS, create_missing, product
from dicom_common.db.sql.expressions._types import blob, flag, integer, key_text, long_text, number, primary_key, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

tables = MetaData(
    naming_convention={
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

_tenant = Table(
    "tenant",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("name", text(63), nullable=False, unique=True),
)
_patient = Table(
    "patient",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("patient_name", text(767)),
    Column("patient_id", text(), nullable=False),
    Column("issuer_of_patient_id", text(), nullable=False),
    Column("patient_birth_date", integer()),
    Column("patient_birth_time", integer()),
    Column("patient_sex", text()),
    Column("patient_name_alphabetic", text()),
    Column("patient_name_ideographic", text()),
    Column("patient_name_phonetic", text()),
    Column("without_id", flag(), nullable=False),
    Column("without_issuer", flag(), nullable=False),
    Column("latest", text(), nullable=False),
    Column("studies", integer(), nullable=False),
    Column("series", integer(), nullable=False),
    Column("instances", integer(), nullable=False),
    UniqueConstraint("tenant_fk", "patient_id", "issuer_of_patient_id"),
)
Index(
    "patient_name_alphabetic",
    _patient.c.tenant_fk,
    _patient.c.patient_name_alphabetic,
    sqlite_where=_patient.c.patient_name_alphabetic.is_not(None),
    postgresql_where=_patient.c.patient_name_alphabetic.is_not(None),
)
Index(
    "patient_name_ideographic",
    _patient.c.tenant_fk,
    _patient.c.patient_name_ideographic,
    sqlite_where=_patient.c.patient_name_ideographic.is_not(None),
    postgresql_where=_patient.c.patient_name_ideographic.is_not(None),
)
Index(
    "patient_name_phonetic",
    _patient.c.tenant_fk,
    _patient.c.patient_name_phonetic,
    sqlite_where=_patient.c.patient_name_phonetic.is_not(None),
    postgresql_where=_patient.c.patient_name_phonetic.is_not(None),
)
Index(
    "patient_order",
    _patient.c.tenant_fk,
    _patient.c.without_id,
    _patient.c.patient_id,
    _patient.c.without_issuer,
    _patient.c.issuer_of_patient_id,
)
_study = Table(
    "study",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("patient_fk", primary_key(), ForeignKey("patient.pk"), nullable=False, autoincrement=False),
    Column("study_uid", text(64), nullable=False),
    Column("study_date", integer(), nullable=False),
    Column("study_time", integer()),
    Column("accession_number", text()),
    Column("referring_physician_name", text(767)),
    Column("timezone_offset_from_utc", text()),
    Column("study_description", text()),
    Column("patient_age", text()),
    Column("patient_size", number()),
    Column("patient_weight", number()),
    Column("study_id", text()),
    Column("referring_physician_name_alphabetic", text()),
    Column("referring_physician_name_ideographic", text()),
    Column("referring_physician_name_phonetic", text()),
    Column("latest", text(), nullable=False),
    Column("series", integer(), nullable=False),
    Column("instances", integer(), nullable=False),
    UniqueConstraint("tenant_fk", "study_uid"),
)
Index(
    "referring_physician_name_alphabetic",
    _study.c.tenant_fk,
    _study.c.referring_physician_name_alphabetic,
    sqlite_where=_study.c.referring_physician_name_alphabetic.is_not(None),
    postgresql_where=_study.c.referring_physician_name_alphabetic.is_not(None),
)
Index(
    "referring_physician_name_ideographic",
    _study.c.tenant_fk,
    _study.c.referring_physician_name_ideographic,
    sqlite_where=_study.c.referring_physician_name_ideographic.is_not(None),
    postgresql_where=_study.c.referring_physician_name_ideographic.is_not(None),
)
Index(
    "referring_physician_name_phonetic",
    _study.c.tenant_fk,
    _study.c.referring_physician_name_phonetic,
    sqlite_where=_study.c.referring_physician_name_phonetic.is_not(None),
    postgresql_where=_study.c.referring_physician_name_phonetic.is_not(None),
)
Index("study_accession", _study.c.tenant_fk, _study.c.accession_number)
Index("study_id", _study.c.tenant_fk, _study.c.study_id)
Index("study_order", _study.c.tenant_fk, _study.c.study_date.desc(), _study.c.study_uid)
Index("study_patient", _study.c.patient_fk, _study.c.study_date.desc(), _study.c.study_uid)
Index("study_time", _study.c.tenant_fk, _study.c.study_time)
_series = Table(
    "series",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("study_fk", primary_key(), ForeignKey("study.pk"), nullable=False, autoincrement=False),
    Column("series_uid", text(64), nullable=False),
    Column("modality", text()),
    Column("series_date", integer()),
    Column("series_time", integer()),
    Column("manufacturer", text()),
    Column("institution_name", text()),
    Column("station_name", text()),
    Column("series_description", text()),
    Column("body_part_examined", text()),
    Column("protocol_name", text()),
    Column("series_number", integer(), nullable=False),
    Column("laterality", text()),
    Column("performed_procedure_step_start_date", integer()),
    Column("performed_procedure_step_start_time", integer()),
    Column("request_attributes", long_text()),
    Column("latest", text(), nullable=False),
    Column("instances", integer(), nullable=False),
    UniqueConstraint("tenant_fk", "series_uid", "study_fk"),
)
Index("series_modality", _series.c.tenant_fk, _series.c.modality)
Index("series_number", _series.c.tenant_fk, _series.c.series_number)
Index("series_order", _series.c.study_fk, _series.c.series_number, _series.c.series_uid)
Index(
    "series_step",
    _series.c.tenant_fk,
    _series.c.performed_procedure_step_start_date,
    _series.c.performed_procedure_step_start_time,
)
Index("series_study_modality", _series.c.study_fk, _series.c.modality)
_instance = Table(
    "instance",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("series_fk", primary_key(), ForeignKey("series.pk"), nullable=False, autoincrement=False),
    Column("sop_class_uid", text(64), nullable=False),
    Column("image_type", long_text()),
    Column("slice_thickness", number()),
    Column("spacing_between_slices", number()),
    Column("image_orientation_patient", long_text()),
    Column("samples_per_pixel", integer()),
    Column("photometric_interpretation", text()),
    Column("number_of_frames", integer()),
    Column("rows", integer()),
    Column("columns", integer()),
    Column("bits_allocated", integer()),
    Column("bits_stored", integer()),
    Column("high_bit", integer()),
    Column("pixel_representation", integer()),
    Column("window_center", long_text()),
    Column("window_width", long_text()),
    Column("rescale_intercept", number()),
    Column("rescale_slope", number()),
    Column("rescale_type", text()),
    Column("sop_uid", text(64), nullable=False),
    Column("instance_creation_date", integer()),
    Column("instance_creation_time", integer()),
    Column("acquisition_date", integer()),
    Column("acquisition_time", integer()),
    Column("content_date", integer()),
    Column("content_time", integer()),
    Column("instance_number", integer(), nullable=False),
    Column("image_position_patient", long_text()),
    Column("slice_location", number()),
    Column("transfer_syntax_uid", text(64), nullable=False),
    Column("storage_key", key_text(), nullable=False),
    Column("size", integer(), nullable=False),
    Column("sha256", text(64), nullable=False),
    Column("received", integer(), nullable=False),
    Column("other_patient", flag(), nullable=False),
    UniqueConstraint("tenant_fk", "sop_uid"),
)
Index("instance_class", _instance.c.tenant_fk, _instance.c.sop_class_uid)
Index("instance_key", _instance.c.storage_key)
Index("instance_number", _instance.c.tenant_fk, _instance.c.instance_number)
Index("instance_order", _instance.c.series_fk, _instance.c.instance_number, _instance.c.sop_uid)
_instance_json = Table(
    "instance_json",
    tables,
    Column("instance_fk", primary_key(), ForeignKey("instance.pk"), primary_key=True, autoincrement=False),
    Column("metadata", blob(), nullable=False),
    Column("upper", blob(), nullable=False),
)
_series_class = Table(
    "series_class",
    tables,
    Column("series_fk", primary_key(), ForeignKey("series.pk"), primary_key=True, autoincrement=False),
    Column("sop_class_uid", text(64), primary_key=True),
    Column("instances", integer(), nullable=False),
)
_request_item = Table(
    "request_item",
    tables,
    Column("series_fk", primary_key(), ForeignKey("series.pk"), primary_key=True, autoincrement=False),
    Column("position", integer(), primary_key=True, autoincrement=False),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("scheduled_procedure_step_id", text()),
    Column("requested_procedure_id", text()),
)
Index("request_procedure", _request_item.c.tenant_fk, _request_item.c.requested_procedure_id)
Index("request_step", _request_item.c.tenant_fk, _request_item.c.scheduled_procedure_step_id)
_outbox = Table(
    "outbox",
    tables,
    Column("pk", primary_key(), primary_key=True),
    Column("event_id", text(), nullable=False, index=True),
    Column("tenant", text(63), nullable=False),
    Column("topic", text(), nullable=False),
    Column("event_key", text(1024), nullable=False),
    Column("headers", blob(), nullable=False),
    Column("body", blob(), nullable=False),
    Column("created", integer(), nullable=False),
    sqlite_autoincrement=True,
)
_outbox_lease = Table(
    "outbox_lease",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("relay", text(), nullable=False),
    Column("until", integer(), nullable=False),
)
_guard = Table("guard", tables, Column("pk", primary_key(), primary_key=True, autoincrement=False))
_discarded_key = Table(
    "discarded_key",
    tables,
    Column("storage_key", key_text(), primary_key=True),
    Column("discarded", integer(), nullable=False),
    Column("deleted", integer()),
)
Index("discarded_key_open", _discarded_key.c.deleted, _discarded_key.c.discarded)


def upgrade() -> None:
    """Create all tables and indexes, and the rows of the tables that have just one."""
    connection = op.get_bind()
    create_missing(connection, tables.sorted_tables, product())
    for table in (_guard, _outbox_lease):
        if not connection.execute(select(table.c.pk)).all():
            connection.execute(insert(table).values(FIRST_ROWS[table.name]))
    product().make_own(connection)
