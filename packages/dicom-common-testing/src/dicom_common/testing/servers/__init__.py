"""Real servers for tests: how each is installed, started, asked whether it is ready, and killed.

Needs the standard library only, so that tools can use it before anything is installed. `SERVERS` are those that tests
share (`@pytest.mark.service`); `private_server` runs one that a test may kill.
"""

from dicom_common.testing.servers._install import Commands, Install, InstallError
from dicom_common.testing.servers._kafka import commands as kafka_commands
from dicom_common.testing.servers._known import (
    DICOMWEB_CLIENT,
    HOST,
    NO_SERVERS,
    OHIF,
    SERVERS,
    Server,
    server_named,
    which,
)
from dicom_common.testing.servers._private import PrivateServer, command_server, descendants, private_server
from dicom_common.testing.servers._programs import (
    AbsentError,
    free_port,
    launch,
    listens,
    make_folder,
    prepare,
    start_time,
    wait_until_ready,
)

__all__ = [
    "DICOMWEB_CLIENT",
    "HOST",
    "NO_SERVERS",
    "OHIF",
    "SERVERS",
    "AbsentError",
    "Commands",
    "Install",
    "InstallError",
    "PrivateServer",
    "Server",
    "command_server",
    "descendants",
    "free_port",
    "kafka_commands",
    "launch",
    "listens",
    "make_folder",
    "prepare",
    "private_server",
    "server_named",
    "start_time",
    "wait_until_ready",
    "which",
]
