"""WADO-RS: retrieving (PS3.18 10.4), and deleting."""

from dicom_common.web._wado._bulk_data import BULK_DATA, OFFERS as BULK_OFFERS
from dicom_common.web._wado._delete import DELETIONS
from dicom_common.web._wado._frames import FRAMES
from dicom_common.web._wado._instances import INSTANCES
from dicom_common.web._wado._metadata import METADATA, OFFERS as METADATA_OFFERS
from dicom_common.web._wado._offers import dicom_offers
from dicom_common.web._wado._rendered import RENDERED

__all__ = ["BULK_OFFERS", "METADATA_OFFERS", "RETRIEVALS", "dicom_offers"]

RETRIEVALS = (*INSTANCES, *METADATA, *FRAMES, *BULK_DATA, *RENDERED, *DELETIONS)
