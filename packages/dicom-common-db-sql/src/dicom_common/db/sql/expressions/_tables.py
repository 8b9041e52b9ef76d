"""The tables. Columns of attributes are made from `ATTRIBUTES`; a change here needs a migration beside it.

Rows are found by (tenant, UID) and joined by surrogate keys. A parent's row holds the counts of what is below it, and
`sources`: the rank of the instance from which each of its attributes comes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, UniqueConstraint

from dicom_common.core import ATTRIBUTES, Attribute, Level
from dicom_common.db.sql._columns import (
    FOLDED,
    MAX_KEY,
    MAX_PERSON,
    MAX_TEXT,
    MAX_UID,
    PATIENT_NAME,
    REFERRER_NAME,
    WORDS,
    columns_of,
)
from dicom_common.db.sql.expressions._types import (
    blob,
    flag,
    integer,
    key_text,
    long_text,
    number,
    primary_key,
    text,
)

__all__ = [
    "LEVELS",
    "discarded_key",
    "guard",
    "instance",
    "instance_json",
    "metadata",
    "outbox",
    "outbox_lease",
    "patient",
    "request_item",
    "series",
    "series_class",
    "series_revision",
    "study",
    "study_modality",
    "tenant",
]

# Names that are the same on every database, so that a later migration can name what it changes.
metadata = MetaData(
    naming_convention={
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _column(attribute: Attribute) -> Column[Any]:  # noqa: PLR0911 - a line for each sort of column
    name = attribute.field
    if attribute.multiple:
        return Column(name, long_text())  # a JSON array
    if attribute.vr == "UI":
        return Column(name, text(MAX_UID), nullable=False)
    if name in ("patient_id", "issuer_of_patient_id"):
        return Column(name, text(), nullable=False)  # part of a natural key; "" is absent
    if name == "study_date":
        return Column(name, integer(), nullable=False)  # 0 is absent: the last where the latest comes first
    if name in ("series_number", "instance_number"):
        return Column(name, integer(), nullable=False)
    if attribute.vr in ("DA", "TM", "IS", "US"):
        return Column(name, integer())
    if attribute.vr == "DS":
        return Column(name, number())
    return Column(name, text(MAX_PERSON if attribute.vr == "PN" else MAX_TEXT))


def _attributes(level: Level) -> list[Column[Any]]:
    by_field = {attribute.field: attribute for attribute in ATTRIBUTES}
    columns = [_column(by_field[name]) for name in columns_of(level)]
    names = [name for name in FOLDED if name in columns_of(level)]
    return columns + [Column(folded, text()) for name in names for folded in FOLDED[name]]


def _pk() -> Column[Any]:
    return Column("pk", primary_key(), primary_key=True, autoincrement=False)


def _fk(name: str, *, primary: bool = False) -> Column[Any]:
    return Column(
        f"{name}_fk", primary_key(), ForeignKey(f"{name}.pk"), primary_key=primary, nullable=False, autoincrement=False
    )


def _count(name: str) -> Column[Any]:
    return Column(name, integer(), nullable=False)


def _sources() -> Column[Any]:
    return Column("sources", long_text())  # see `_sources.py`; NULL: a migration asks for the row to be derived again


def _words(name: str) -> Column[Any]:
    return Column(WORDS[name], text(MAX_PERSON))


tenant = Table("tenant", metadata, _pk(), Column("name", text(63), nullable=False, unique=True))

patient = Table(
    "patient",
    metadata,
    _pk(),
    _fk("tenant"),
    *_attributes(Level.PATIENT),
    # "" would come first in an order in which an absent value is the last.
    Column("without_id", flag(), nullable=False),
    Column("without_issuer", flag(), nullable=False),
    # Without a Patient ID every study has a patient of its own: its Study Instance UID, otherwise "".
    Column("of_study", text(MAX_UID), nullable=False),
    _count("studies"),
    _count("series"),
    _count("instances"),
    _sources(),
    _words(PATIENT_NAME),
    UniqueConstraint("tenant_fk", "patient_id", "issuer_of_patient_id", "of_study"),
)
study = Table(
    "study",
    metadata,
    _pk(),
    _fk("tenant"),
    _fk("patient"),
    *_attributes(Level.STUDY),
    _count("series"),
    _count("instances"),
    _sources(),
    _words(REFERRER_NAME),
    UniqueConstraint("tenant_fk", "study_uid"),
)
series = Table(
    "series",
    metadata,
    _pk(),
    _fk("tenant"),
    _fk("study"),
    *_attributes(Level.SERIES),
    _count("instances"),
    _sources(),
    UniqueConstraint("tenant_fk", "series_uid", "study_fk"),
)
instance = Table(
    "instance",
    metadata,
    _pk(),
    _fk("tenant"),
    _fk("series"),
    *_attributes(Level.INSTANCE),
    Column("transfer_syntax_uid", text(MAX_UID), nullable=False),
    Column("storage_key", key_text(), nullable=False),
    Column("size", integer(), nullable=False),
    Column("sha256", text(64), nullable=False),
    Column("received", integer(), nullable=False),
    # 1: it names another patient than the one that its study belongs to.
    Column("other_patient", flag(), nullable=False),
    UniqueConstraint("tenant_fk", "sop_uid"),
)
# In a table of its own: searches read many instance rows and no metadata.
instance_json = Table(
    "instance_json",
    metadata,
    _fk("instance", primary=True),
    Column("metadata", blob(), nullable=False),
    # The instance's own attributes of the levels above, from which a parent's row can be made again.
    Column("upper", blob(), nullable=False),
    # Where the frames lie; here, because a row of another table would cost each store a statement and a page. It is the
    # last column: what it has does not lie in the way of who reads the metadata.
    Column("frames", blob()),
)
# The modalities of each study, with what orders studies: the first page of a rare one is read from its index, and not
# from all studies in turn until the page is full. For a common one, too, no other table decides what is in the page.
study_modality = Table(
    "study_modality",
    metadata,
    _fk("study", primary=True),
    Column("modality", text(), primary_key=True),
    _fk("tenant"),
    Column("study_date", integer(), nullable=False),
    Column("study_uid", text(MAX_UID), nullable=False),
)
# How many instances of each SOP Class a series has: SOP Classes in Study without reading all instances.
series_class = Table(
    "series_class",
    metadata,
    _fk("series", primary=True),
    Column("sop_class_uid", text(MAX_UID), primary_key=True),
    _count("instances"),
)
# What a series is at: another number whenever its instances change.
series_revision = Table("series_revision", metadata, _fk("series", primary=True), _count("revision"))
# The items of Request Attributes Sequence, for searches; the series' row has them for answers.
request_item = Table(
    "request_item",
    metadata,
    _fk("series", primary=True),
    Column("position", integer(), primary_key=True, autoincrement=False),
    _fk("tenant"),
    Column("scheduled_procedure_step_id", text()),
    Column("requested_procedure_id", text()),
)
outbox = Table(
    "outbox",
    metadata,
    Column("pk", primary_key(), primary_key=True),
    Column("event_id", text(), nullable=False, index=True),
    Column("tenant", text(63), nullable=False),
    Column("topic", text(), nullable=False),
    Column("event_key", text(MAX_KEY), nullable=False),
    Column("headers", blob(), nullable=False),
    Column("body", blob(), nullable=False),
    Column("created", integer(), nullable=False),
    sqlite_autoincrement=True,
)
# One row: who holds the outbox.
outbox_lease = Table(
    "outbox_lease", metadata, _pk(), Column("relay", text(), nullable=False), Column("until", integer(), nullable=False)
)
# One row, which writers lock where the database product has nothing better; see `SqlDialect.guard`.
guard = Table("guard", metadata, _pk())
discarded_key = Table(
    "discarded_key",
    metadata,
    Column("storage_key", key_text(), primary_key=True),
    Column("discarded", integer(), nullable=False),
    Column("deleted", integer()),  # None: the object is still to be deleted
)
Index("discarded_key_open", discarded_key.c.deleted, discarded_key.c.discarded)

# One index for each key of PS3.18 table 10.6.1-5, the tenant first; and one for each order in which answers come.
Index(
    "patient_order",
    patient.c.tenant_fk,
    patient.c.without_id,
    patient.c.patient_id,
    patient.c.without_issuer,
    patient.c.issuer_of_patient_id,
    patient.c.of_study,
)
Index("study_order", study.c.tenant_fk, study.c.study_date.desc(), study.c.study_uid)
Index("study_time", study.c.tenant_fk, study.c.study_time)
Index("study_accession", study.c.tenant_fk, study.c.accession_number)
Index("study_id", study.c.tenant_fk, study.c.study_id)
Index("study_patient", study.c.patient_fk, study.c.study_date.desc(), study.c.study_uid)
Index(
    "study_modality_order",
    study_modality.c.tenant_fk,
    study_modality.c.modality,
    study_modality.c.study_date.desc(),
    study_modality.c.study_uid,
)
Index("series_revision_order", series_revision.c.revision, series_revision.c.series_fk)
Index("series_order", series.c.study_fk, series.c.series_number, series.c.series_uid)
Index("series_modality", series.c.tenant_fk, series.c.modality)
Index("series_number", series.c.tenant_fk, series.c.series_number)
Index(
    "series_step",
    series.c.tenant_fk,
    series.c.performed_procedure_step_start_date,
    series.c.performed_procedure_step_start_time,
)
Index("request_step", request_item.c.tenant_fk, request_item.c.scheduled_procedure_step_id)
Index("request_procedure", request_item.c.tenant_fk, request_item.c.requested_procedure_id)
Index("instance_order", instance.c.series_fk, instance.c.instance_number, instance.c.sop_uid)
Index("instance_class", instance.c.tenant_fk, instance.c.sop_class_uid)
Index("instance_number", instance.c.tenant_fk, instance.c.instance_number)
Index("instance_key", instance.c.storage_key)
for _name, _table in ((PATIENT_NAME, patient), (REFERRER_NAME, study)):
    for _folded in FOLDED[_name]:
        # PostgreSQL's are partial, too, by the migrations: to say so here would import its dialect everywhere.
        Index(_folded, _table.c.tenant_fk, _table.c[_folded], sqlite_where=_table.c[_folded].is_not(None))

LEVELS: dict[Level, Table] = {
    Level.PATIENT: patient,
    Level.STUDY: study,
    Level.SERIES: series,
    Level.INSTANCE: instance,
}
