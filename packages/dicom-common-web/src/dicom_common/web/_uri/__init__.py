"""WADO-URI: one object by the parameters of a query (PS3.18 9)."""

from dicom_common.web._uri._retrieve import uri_endpoints

__all__ = ["uri_endpoints"]
