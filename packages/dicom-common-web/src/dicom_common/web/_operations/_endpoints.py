"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import time
from dataclasses import fields

import anyio.to_thread
import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from dicom_common.core import DicomCommonError, HealthStatus
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._site import Site

__all__ = ["OPERATIONS"]

_LIMIT = 3.0
"""Seconds that a backend may take to say how it is."""
_FRESH = 1.0
"""Seconds for which an answer holds: however often it is asked, backends are asked once."""


class _Kept:
    """The last answer of a site's backends, and when it was given."""

    def __init__(self, healthy: dict[str, bool], moment: float) -> None:
        self.healthy, self.moment = healthy, moment


async def _alive(_call: Call) -> Response:
    return PlainTextResponse("ok\n")


async def _ready(call: Call) -> Response:
    state = call.request.app.state
    async with state.readiness:
        kept: _Kept | None = getattr(state, "health", None)
        if kept is None or time.monotonic() - kept.moment > _FRESH:
            answers = await anyio.to_thread.run_sync(lambda: call.site.services.check(time_limit=_LIMIT))
            healthy = {kind: health.status is not HealthStatus.FAILED for kind, health in answers.items()}
            state.health = kept = _Kept(healthy, time.monotonic())
    is_ready = all(kept.healthy.values())
    # No details: they name addresses, and anybody may ask.
    body = {
        "ready": is_ready,
        "backends": {kind: "ok" if healthy else "failed" for kind, healthy in kept.healthy.items()},
    }
    return Response(msgspec.json.encode(body), 200 if is_ready else 503, media_type="application/json")


async def _metrics(call: Call) -> Response:
    def exposition() -> bytes:
        show(call.site)
        return call.site.metrics.exposition()

    return Response(await anyio.to_thread.run_sync(exposition), headers={"content-type": CONTENT_TYPE_LATEST})


def show(site: Site) -> None:
    """Bring the metrics of a site up to date that count nothing: it blocks."""
    lanes = {field.name: getattr(site.lanes, field.name) for field in fields(site.lanes)}
    site.metrics.show_lanes({name: (lane.at_work, lane.waiting) for name, lane in lanes.items()})
    try:
        site.metrics.show_backlog(site.services.db.backlog().events)
    except DicomCommonError:
        return  # /readyz tells of it


OPERATIONS = tuple(
    Endpoint(path=path, method="GET", action=None, lane=None, handler=handler, name=name, beside=True)
    for path, handler, name in (
        ("/healthz", _alive, "alive"),
        ("/readyz", _ready, "ready"),
        ("/metrics", _metrics, "metrics"),
    )
)
