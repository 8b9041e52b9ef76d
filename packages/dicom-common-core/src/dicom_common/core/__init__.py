"""What the author of a plugin imports: hook specifications, Protocols, records and errors.

It depends on pluggy only, and knows nothing of configuration files, of DICOM files or of any SDK. Programs open what is
configured with `dicom_common.host`. Each module says in its `__all__` what is public.
"""

from dicom_common.core import (
    _attributes,
    _audit,
    _auth,
    _backend,
    _broker,
    _cache,
    _database,
    _errors,
    _health,
    _keyring,
    _keys,
    _limits,
    _logs,
    _query,
    _records,
    _revisions,
    _secret,
    _storage,
)
from dicom_common.core._attributes import *
from dicom_common.core._audit import *
from dicom_common.core._auth import *
from dicom_common.core._backend import *
from dicom_common.core._broker import *
from dicom_common.core._cache import *
from dicom_common.core._database import *
from dicom_common.core._errors import *
from dicom_common.core._health import *
from dicom_common.core._keyring import *
from dicom_common.core._keys import *
from dicom_common.core._limits import *
from dicom_common.core._logs import *
from dicom_common.core._query import *
from dicom_common.core._records import *
from dicom_common.core._revisions import *
from dicom_common.core._secret import *
from dicom_common.core._storage import *
from dicom_common.core.hookspecs import hookimpl, hookspec

__all__ = ["hookimpl", "hookspec"]
__all__ += _attributes.__all__
__all__ += _audit.__all__
__all__ += _auth.__all__
__all__ += _backend.__all__
__all__ += _broker.__all__
__all__ += _cache.__all__
__all__ += _database.__all__
__all__ += _errors.__all__
__all__ += _health.__all__
__all__ += _keyring.__all__
__all__ += _keys.__all__
__all__ += _limits.__all__
__all__ += _logs.__all__
__all__ += _query.__all__
__all__ += _records.__all__
__all__ += _revisions.__all__
__all__ += _secret.__all__
__all__ += _storage.__all__
