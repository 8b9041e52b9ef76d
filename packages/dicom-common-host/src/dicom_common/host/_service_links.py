"""The variables that Kubernetes and Docker make for each service; for one called `dicom-common` they begin like ours.

Kubernetes gives every container `<SERVICE>_SERVICE_HOST`, `<SERVICE>_SERVICE_PORT[_<NAME>]`, and in the form of
Docker's links `<SERVICE>_PORT` and `<SERVICE>_PORT_<NUMBER>_<PROTOCOL>[_PROTO|_PORT|_ADDR]` (its documentation,
"Service", discovery by environment variables). A service `dicom-common-db` gives `DICOM_COMMON_DB_PORT`: one
underscore, where a setting of a table has two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["is_service_link"]

_FORM = re.compile(
    r"(?P<service>DICOM_COMMON(?:_[A-Z0-9_]*?[A-Z0-9])??)_"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://.+")


def is_service_link(name: str, variables: Mapping[str, str]) -> bool:
    """Tell whether a variable is one of a service, and no setting.

    Args:
        name: of the variable.
        variables: all of them: what one means may follow from its neighbours.
    """
    form = _FORM.fullmatch(name)
    if form is None:
        return False
    service = form["service"]
    if "__" in service:
        # A service may have two hyphens in its name; more likely this is a setting such as WEB__METRICS_PORT.
        return f"{service}_SERVICE_HOST" in variables and f"{service}_SERVICE_PORT" in variables
    # DICOM_COMMON_DB_PORT=5432 is no link but a setting with an underscore too few, which has to be told.
    return name != f"{service}_PORT" or _ADDRESS.fullmatch(variables[name]) is not None
