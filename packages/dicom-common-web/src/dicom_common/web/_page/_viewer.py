"""A viewer for the browser, OHIF: the `dist` folder of its npm package `@ohif/app`, with a configuration for us."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import msgspec
from starlette.responses import FileResponse, Response

from dicom_common.core import ConfigError
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError

__all__ = ["VIEWER_PATH", "require_viewer", "viewer_endpoints"]

VIEWER_PATH = "/ohif"
"""The path of the viewer below the site's root; `/links/{link}` below it, the viewer of one link."""

_HEADERS = {
    # Its bundles compile WebAssembly, make workers of blobs, and write styles and a script into the page.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",  # with the next one it may share memory with its workers
    "cross-origin-embedder-policy": "require-corp",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_SOURCE = {
    "friendlyName": "dicom-common",
    "name": "dicom-common",
    "qidoSupportsIncludeField": True,
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "supportsFuzzyMatching": True,
    "supportsWildcard": True,
    "staticWado": False,
    "singlepart": "bulkdata,video",
    "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
    "omitQuotationForMultipartRequest": False,
}
_WITHOUT_MODALITY = """
// OHIF takes it for granted that Modalities in Study has a value: one study without a modality would empty its list.
const response = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, "response");
Object.defineProperty(XMLHttpRequest.prototype, "response", {
  ...response,
  get() {
    const answer = response.get.call(this);
    for (const match of Array.isArray(answer) ? answer : []) {
      if (match["00080061"] && !match["00080061"].Value) delete match["00080061"];
    }
    return answer;
  },
});"""


def require_viewer(folder: Path) -> None:
    """Do nothing where a folder holds a viewer.

    Raises:
        ConfigError: it does not.
    """
    if not (folder / "index.html").is_file():
        raise ConfigError(
            f"web.viewer names {folder}, in which there is no viewer: name the folder `dist` of the npm package"
            " @ohif/app."
        )


def viewer_endpoints(folder: Path) -> tuple[Endpoint, ...]:
    """Return what serves a viewer: `/ohif` and below is its page, and its files lie where that page looks for them.

    Below `/ohif/links/{link}` the same page takes the service root of that link, and needs no other credentials.

    The files are those that are there now: no path of a request is ever looked up in the file system.

    Raises:
        ConfigError: there is no viewer in the folder.
    """
    require_viewer(folder)
    known = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}

    async def page(_call: Call) -> Response:
        return FileResponse(known["index.html"], headers={**_HEADERS, "cache-control": "no-cache"})

    async def linked_page(call: Call) -> Response:
        # The page holds nothing of a patient; it is refused so that who has an expired link reads why.
        if call.site.capabilities is None:
            raise HttpError(404, "The server does not offer links.")
        link = call.request.path_params["link"]
        capability = call.site.capabilities.verify(link)
        if capability.series_uid:
            raise HttpError(404, "The link shows one series: the viewer needs a link to a study.")
        if call.request.path_params.get("rest"):
            return await page(call)
        start = f"{call.request.scope.get('root_path', '')}{VIEWER_PATH}/links/{link}/viewer"
        return Response(None, 302, {**_HEADERS, "location": f"{start}?StudyInstanceUIDs={capability.study_uid}"})

    async def configuration(call: Call) -> Response:
        root_path = call.request.scope.get("root_path", "")
        source = msgspec.json.encode(_SOURCE).decode()
        script = f"""{_WITHOUT_MODALITY}
const viewer = {msgspec.json.encode(root_path + VIEWER_PATH).decode()};
const [link] = window.location.pathname.slice(viewer.length).match(/^[/]links[/][^/]+/) ?? [""];
const root = window.location.origin + {msgspec.json.encode(root_path + call.site.settings.root).decode()} + link;
window.config = {{
  routerBasename: viewer + link, extensions: [], modes: [], showStudyList: !link,
  defaultDataSourceName: "dicomweb",
  dataSources: [{{
    namespace: "@ohif/extension-default.dataSourcesModule.dicomweb", sourceName: "dicomweb",
    configuration: {{...{source}, wadoUriRoot: root, qidoRoot: root, wadoRoot: root}},
  }}],
}};
"""
        return Response(script, headers={**_HEADERS, "content-type": "text/javascript", "cache-control": "no-cache"})

    async def file(call: Call) -> Response:
        found = known.get(call.request.path_params["file"])
        if found is None:
            raise HttpError(404, "The server has no such resource.")
        kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
        return FileResponse(found, media_type=kind, headers={**_HEADERS, "cache-control": "max-age=3600"})

    handlers = {
        VIEWER_PATH: page,
        f"{VIEWER_PATH}/links/{{link}}": linked_page,
        f"{VIEWER_PATH}/links/{{link}}/{{rest:path}}": linked_page,
        f"{VIEWER_PATH}/{{rest:path}}": page,
        "/app-config.js": configuration,
        "/{file:path}": file,  # the last of all
    }
    return tuple(
        Endpoint(path=path, method="GET", action=None, lane=None, handler=handler, name="viewer", beside=True)
        for path, handler in handlers.items()
    )
