"""What a storage must do that is reached over a network."""

from __future__ import annotations

from dicom_common.testing._storage._remote_faults import RemoteFaults
from dicom_common.testing._storage._remote_limits import RemoteLimits

__all__ = ["RemoteStorageContract"]


class RemoteStorageContract(RemoteFaults, RemoteLimits):
    """Beside `StorageContract`, for what only remote storages can meet: inherit from it in a class of its own.

    The class carries `@pytest.mark.service(...)`, or has a fixture `server_endpoint` for a server that it starts.
    It sets `fault_style`, and gives two fixtures. `open_storage` is as in `StorageContract`, with a fresh bucket or
    prefix for each test. `proxied` is a callable that opens the same storage
    through the fixture `fault_proxy`: with time limits of about a second, retries that end after a few seconds, and
    enough attempts to bear five faults in a row.
    """
