"""C-FIND: searching (PS3.4 C.4.1)."""

from dicom_common.dimse._find._models import (
    FIND_MODELS,
    GET_MODELS,
    MOVE_MODELS,
    UNIQUE,
    Model,
    level_of,
    refuse_lower_keys,
    require_upper_keys,
)
from dicom_common.dimse._find._negotiated import RETRIEVE_FEATURES, negotiated_of
from dicom_common.dimse._find._service import FIND

__all__ = [
    "FIND",
    "FIND_MODELS",
    "GET_MODELS",
    "MOVE_MODELS",
    "RETRIEVE_FEATURES",
    "UNIQUE",
    "Model",
    "level_of",
    "negotiated_of",
    "refuse_lower_keys",
    "require_upper_keys",
]
