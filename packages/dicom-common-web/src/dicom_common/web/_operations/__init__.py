"""What operators ask: is it alive, is it ready, how much does it do."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint

__all__ = ["OPERATIONS"]


async def _alive(_call: Call) -> Response:
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


OPERATIONS = (
    Endpoint(path="/healthz", method="GET", action=None, lane=None, handler=_alive, name="alive", beside=True),
)
