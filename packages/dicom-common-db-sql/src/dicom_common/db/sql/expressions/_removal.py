"""What instances are below, what is left of it, and what an event says of those that go."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from dicom_common.core import ATTRIBUTES, Level
from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import LEVELS, instance, instance_json, series, study

_i, _j = instance.c, instance_json.c


def parents(among: Among) -> Select[Any]:
    """Return the SOP Class, patient, study and series of instances."""
    up = instance.join(series).join(study, series.c.study_fk == study.c.pk)
    return select(_i.sop_class_uid, study.c.patient_fk, study.c.pk, series.c.pk).select_from(up).where(among(_i.pk))


def left(among: Among, level: Level) -> Select[Any]:
    """Return how many instances parents have, and where their attributes come from."""
    c = LEVELS[level].c
    return select(c.pk, c.instances, c.sources).where(among(c.pk))


def departing(among: Among) -> Select[Any]:
    """Return everything that the index knows of instances."""
    own = [_i[attribute.field] for attribute in ATTRIBUTES if attribute.level is Level.INSTANCE]
    kept = (_i.pk, _i.storage_key, _i.received, _i.transfer_syntax_uid, _i.size, _i.sha256, _j.upper)
    joined = instance.join(instance_json, _j.instance_fk == _i.pk)
    return select(*kept, *own).select_from(joined).where(among(_i.pk))
