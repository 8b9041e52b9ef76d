"""The logs: written at the end, read page by page, pruned from the beginning in steps."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Delete, Select, bindparam, delete, func, select

from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import metadata


def count(_: SqlExpressions, table: str) -> Select[Any]:
    """Count the records before a moment."""
    c = metadata.tables[table].c
    return select(func.count()).select_from(metadata.tables[table]).where(c.created < bindparam("before"))


def last(_: SqlExpressions, table: str) -> Select[Any]:
    """Return the last record of a step."""
    c = metadata.tables[table].c
    return (
        select(c.created, c.id)
        .where(c.created < bindparam("before"))
        .order_by(c.created, c.id)
        .limit(bindparam("limit"))
        .offset(bindparam("skipped"))
    )


def delete_to(_: SqlExpressions, table: str) -> Delete:
    """Delete the records up to one."""
    c = metadata.tables[table].c
    upto = (c.created < bindparam("created")) | (c.id <= bindparam("last"))
    return delete(metadata.tables[table]).where(c.created <= bindparam("created"), upto)


def delete_all(_: SqlExpressions, table: str) -> Delete:
    """Delete the records before a moment."""
    return delete(metadata.tables[table]).where(metadata.tables[table].c.created < bindparam("before"))


def read(_: SqlExpressions, table: str, newest_first: bool, given: tuple[str, ...]) -> Select[Any]:
    """Return a page of a log; `given` names what is asked for beside the tenant."""
    c = metadata.tables[table].c
    tests = [c.tenant == bindparam("tenant")]
    if "study" in given:
        tests.append(c.study_uid == bindparam("study"))
    if "since" in given:
        tests.append(c.created >= bindparam("since"))
    if "until" in given:
        tests.append(c.created < bindparam("until"))
    if "at" in given and newest_first:
        tests += [c.created <= bindparam("at"), (c.created < bindparam("at")) | (c.id < bindparam("id"))]
    elif "at" in given:
        tests += [c.created >= bindparam("at"), (c.created > bindparam("at")) | (c.id > bindparam("id"))]
    order = (c.created.desc(), c.id.desc()) if newest_first else (c.created, c.id)
    return select(metadata.tables[table]).where(*tests).order_by(*order).limit(bindparam("limit"))
