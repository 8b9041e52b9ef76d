"""Naming the S3 storage imports no SDK of another store."""

from __future__ import annotations

import subprocess
import sys


def test_naming_s3_imports_no_other_sdk() -> None:
    script = (
        "import sys\n"
        "from dicom_common.host import Plugins\n"
        "import dicom_common.storage.s3\n"
        "print([name for name in ('google', 'azure', 'boto3', 'requests') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
