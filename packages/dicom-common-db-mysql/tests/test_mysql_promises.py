"""What the index on MySQL promises beside the contract: its errors, a server that restarts, text as it was."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import (
    BackendError,
    Condition,
    Entry,
    Equal,
    HealthStatus,
    Level,
    Query,
    RefusedError,
    Secret,
    UnavailableError,
    parse_query,
)
from dicom_common.db.mysql import MysqlDatabase, Settings, dicom_common_db
from dicom_common.db.mysql._errors import Where, translate
from dicom_common.testing import Endpoint, make_entry, make_instance

PASSWORD = "made-up-and-never-shown"
