"""What the server can be asked: one entry for each path and method, with what the caller must be allowed to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from dicom_common.host import Action
from dicom_common.web._call import Call

__all__ = ["Endpoint", "Handler"]

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One resource and one method.

    There is no default for `action`: what has no rule is not served.
    """

    path: str
    """Below the service root, or below the site's root where `beside` is set; `{study}` stands for a part of it."""
    method: Literal["GET", "POST", "DELETE", "OPTIONS"]
    action: Action | None
    """What the caller has to be allowed to do; None: anybody may ask, without a token."""
    lane: Literal["store", "search", "retrieve"] | None
    """In which lane the request waits for its turn; None: it is answered at once, without a blocking call."""
    handler: Handler
    name: str
    """For metrics and logs: it has nothing of the request in it."""
    beside: bool = False
    """Whether the path does not lie below the service root."""
