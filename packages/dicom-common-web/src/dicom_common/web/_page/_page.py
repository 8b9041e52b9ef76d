"""The page: studies, series, images and metadata, by DICOMweb from the browser. What it shows, it may ask for."""

from __future__ import annotations

import html
from functools import lru_cache
from importlib.resources import files

import msgspec
from starlette.responses import Response

from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError

__all__ = ["PAGE"]

_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {
    file.name: (file.read_bytes(), f"{_TYPES[file.name[file.name.rindex('.') :]]}; charset=utf-8")
    for file in files(__package__).joinpath("files").iterdir()
    if not file.name.startswith((".", "_"))
}
_HEADERS = {
    # Images come as objects in memory: a request for them carries the token.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


async def _index(call: Call) -> Response:
    root_path, settings = call.request.scope.get("root_path", ""), call.site.settings
    page = _FILES["index.html"][0].decode()
    page = page.replace("@ROOT@", html.escape(root_path + settings.root))
    page = page.replace("@VIEWER@", html.escape(root_path + "/ohif") if settings.viewer else "")
    return Response(page, headers={**_HEADERS, "content-type": _FILES["index.html"][1]})


async def _file(call: Call) -> Response:
    found = _FILES.get(call.request.path_params["file"])
    if found is None or call.request.path_params["file"] == "index.html":
        raise HttpError(404, "The page has no such file.")
    return Response(found[0], headers={**_HEADERS, "content-type": found[1]})


async def _attributes(_call: Call) -> Response:
    headers = {**_HEADERS, "content-type": "application/json", "cache-control": "max-age=86400"}
    return Response(_names(), headers=headers)


@lru_cache(maxsize=1)
def _names() -> bytes:
    """Return the names of the standard's attributes by tag (PS3.6), as JSON."""
    from pydicom._dicom_dict import DicomDictionary  # noqa: PLC0415 - pydicom has no other way to list them

    return msgspec.json.encode({f"{tag:08X}": entry[2] for tag, entry in DicomDictionary.items() if entry[2]})


PAGE = (
    Endpoint(path="/", method="GET", action=None, lane=None, handler=_index, name="page", beside=True),
    Endpoint(
        path="/page/attributes.json",
        method="GET",
        action=None,
        lane=None,
        handler=_attributes,
        name="page-attributes",
        beside=True,
    ),
    Endpoint(path="/page/{file}", method="GET", action=None, lane=None, handler=_file, name="page-file", beside=True),
)
"""The page and its files. They hold nothing of a patient, so anybody may ask for them."""
