"""Freezing the SQL of a product: compiling all that an index runs, and the searches that are asked most.

`tools/frozen_sql.py` writes the file of a plugin, whose tests compare it with what is compiled now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any

from dicom_common.core import Condition, Interval, Level, Like, OneOf, Query
from dicom_common.db.sql._database import SqlDatabase
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._migrate import schema_script
from dicom_common.db.sql._sql import Sql
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._texts import END, SCHEMA, end
from dicom_common.db.sql.expressions import metadata

__all__ = ["frozen_sql", "statements"]

_DAY = (date(2026, 1, 1),)
_STUDY, _SERIES, _INSTANCE = (OneOf(f"{name}InstanceUID", ("1.2",)) for name in ("Study", "Series", "SOP"))
_MODALITY = OneOf("ModalitiesInStudy", ("CT",))
_SERIES_LISTS = tuple(OneOf("SeriesInstanceUID", ("1.2",) * count) for count in (2, 4, 8, 16, 17))
_DATES = tuple(Interval(("StudyDate",), low, high) for low, high in ((_DAY, _DAY), (_DAY, None), (None, _DAY)))
_SINGLE: tuple[Condition, ...] = (
    OneOf("PatientID", ("1",)),
    Like("PatientID", "1*"),
    OneOf("PatientName", ("a",)),
    Like("PatientName", "a*"),
    OneOf("AccessionNumber", ("1",)),
    _MODALITY,
    *_DATES,
)
_USUAL: dict[Level, tuple[tuple[Condition, ...], ...]] = {
    Level.PATIENT: ((), *[(one,) for one in _SINGLE[:4]]),
    Level.STUDY: ((), (_STUDY,), *[(one,) for one in _SINGLE], *[(_MODALITY, one) for one in _DATES]),
    Level.SERIES: ((), (_STUDY,), (_STUDY, _SERIES), *[(_STUDY, some) for some in _SERIES_LISTS], (_SERIES,)),
    Level.INSTANCE: (
        (),
        (_STUDY,),
        (_STUDY, _SERIES),
        (_STUDY, _SERIES, _INSTANCE),
        (_SERIES,),
        (_INSTANCE,),
    ),
}
"""The conditions of the searches that commands, the pipeline and front ends ask most."""


def statements(owner: Any) -> Iterator[Statement | Lookup]:
    """Find all statements that a database, or a part of it, keeps."""
    if isinstance(owner, Statement | Lookup):
        yield owner
    elif isinstance(owner, dict):
        for one in owner.values():
            yield from statements(one)
    elif type(owner).__module__.startswith("dicom_common.db.sql") and hasattr(owner, "__dict__"):
        for one in vars(owner).values():
            yield from statements(one)


def frozen_sql(dialect: SqlDialect, *, has_script: bool = False) -> str:
    """Compile what an index runs on a product.

    Args:
        dialect: the product, which has nothing frozen. No connection is used.
        has_script: the schema of an empty database is among it; see `SchemaTraits.script`.

    Returns:
        The content of the file that `Frozen.from_file` reads.
    """
    database = SqlDatabase(dialect, "")
    used: dict[str, Sql] = {}
    dialect.texts.used = used
    _ask(database)
    for one in statements(database):
        assert one.sql
    lines = {name: json.dumps(sql, ensure_ascii=False) for name, sql in used.items()}
    if has_script:
        script = schema_script(dialect.texts.product.sqlalchemy, metadata)
        lines[SCHEMA] = json.dumps(script, ensure_ascii=False)
    return "".join(f"{name}\t{line}\n" for name, line in (*sorted(lines.items()), (END, end())))


def _ask(database: SqlDatabase) -> None:
    """Let a database make the statements of the usual searches and of reading its logs."""
    search = database._search  # noqa: SLF001 - a part of the package
    for level, usual in _USUAL.items():
        for conditions in usual:
            query = Query(tenant="", level=level, conditions=conditions)
            for limit, offset in ((None, 0), (1, 0), (1, 1)):
                asked = replace(query, limit=limit, offset=offset)
                assert search.plan(0, asked)[0].sql
                if (leader := search.leading_name(asked)) is not None:
                    number, test = leader
                    assert search.plan(0, asked, common=(number,))[0].sql
                    if counted := search.names.counting(test):
                        assert counted[0].sql
            assert search.plan(0, query, count=True)[0].sql
    for log in database._logs.all():  # noqa: SLF001 - likewise
        for newest_first, at in product((False, True), repeat=2):
            log.reading(newest_first, ("at",) if at else ())
