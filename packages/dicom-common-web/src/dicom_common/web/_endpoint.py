"""What the server can be asked: one entry for each path and method, with what the caller must be allowed to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import Response

from dicom_common.host import Action
from dicom_common.web._call import Call

__all__ = ["Endpoint", "Handler", "Parameter"]

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, for the description of the service."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    """Its values, as a JSON Schema."""
    required: bool = False


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
    parameters: tuple[Parameter, ...] = ()
    """The parameters of the query that it knows beside `accept`."""
    takes: tuple[str, ...] = ()
    """The media types of a request's body; none: it has no body."""
    gives: tuple[str, ...] = ()
    """The media types of an answer, the default first; those of multipart are those of the parts."""
