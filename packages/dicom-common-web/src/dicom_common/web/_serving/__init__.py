"""Serving the application on a port: limits on connections, processes that share the port, and the end."""

from dicom_common.web._serving._server import Serving, serve
from dicom_common.web._serving._url import url_of
from dicom_common.web._serving._workers import serve_by_workers

__all__ = ["Serving", "serve", "serve_by_workers", "url_of"]
