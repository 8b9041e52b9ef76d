"""What operators ask: is it alive, is it ready, how much does it do, what can it do."""

from dicom_common.web._operations._capabilities import OFFERS as CAPABILITY_OFFERS, capabilities
from dicom_common.web._operations._endpoints import OPERATIONS
from dicom_common.web._operations._openapi import openapi

__all__ = ["CAPABILITY_OFFERS", "OPERATIONS", "capabilities", "openapi"]
