"""What of the hierarchy a path names: a study, a series or an instance."""

from __future__ import annotations

from typing import NamedTuple

from dicom_common.core import NotFoundError, Stored
from dicom_common.web._call import Call

__all__ = ["INSTANCE", "LEVELS", "SERIES", "STUDY", "Place", "location_of", "place_of", "stored_of"]

STUDY = "/studies/{study}"
SERIES = f"{STUDY}/series/{{series}}"
INSTANCE = f"{SERIES}/instances/{{instance}}"
LEVELS = (STUDY, SERIES, INSTANCE)


class Place(NamedTuple):
    """The UIDs of a path; None below what it names."""

    study: str
    series: str | None = None
    instance: str | None = None


def place_of(call: Call) -> Place:
    """Return what the path of a request names.

    Raises:
        HttpError: 400, one of its UIDs is invalid.
    """
    named = [name for name in ("study", "series", "instance") if name in call.request.path_params]
    return Place(*(call.uid(name) for name in named))


def stored_of(call: Call, place: Place) -> list[Stored]:
    """Return the instances of a place, in the order of a search. It blocks.

    Raises:
        NotFoundError: there are none for this tenant.
    """
    found = list(call.site.services.db.instances(call.tenant, *place))
    if not found:
        raise NotFoundError("The index has no such study, series or instance: search to list what exists.")
    return found


def location_of(call: Call, stored: Stored) -> str:
    """Return the URL of an instance."""
    place = f"studies/{stored.study_uid}/series/{stored.series_uid}/instances/{stored.sop_uid}"
    return f"{call.service_root}/{place}"
