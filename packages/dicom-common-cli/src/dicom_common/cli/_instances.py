"""What commands on instances share: options, the UIDs that name instances, and how many there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dicom_common.core import Level, NotFoundError, OneOf, Query
from dicom_common.host import Services

__all__ = ["as_json", "count", "instances", "nothing_stored", "tenant"]

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
tenant = click.option("--tenant", metavar="T", help="Whose instances; by default the tenant of the configuration.")


def instances(command: F) -> F:
    """Add the arguments that name a study, one of its series, or one instance, by UIDs."""
    for name, required in (("instance", False), ("series", False), ("study", True)):
        command = click.argument(name, required=required, metavar=_METAVARS[name])(command)
    return command


_METAVARS = {"study": "STUDY", "series": "[SERIES", "instance": "[INSTANCE]]"}


def nothing_stored(study: str, series: str | None, instance: str | None) -> NotFoundError:
    """Make the error for UIDs that the index does not have."""
    uids = " ".join(uid for uid in (study, series, instance) if uid is not None)
    return NotFoundError(f"Nothing is stored under {uids} for this tenant: `dicom-common find` lists the studies.")


def count(services: Services, tenant: str, study: str, series: str | None, instance: str | None) -> int:
    """Count the instances that these UIDs name."""
    named = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    conditions = tuple(OneOf(keyword, (uid,)) for keyword, uid in named.items() if uid is not None)
    return services.db.count(Query(tenant=tenant, level=Level.INSTANCE, conditions=conditions))
