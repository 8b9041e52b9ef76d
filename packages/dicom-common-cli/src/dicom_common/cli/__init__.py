"""The `dicom-common` command. What an extension's subcommand needs of it is `pass_session`."""

from dicom_common.cli._main import main
from dicom_common.cli._session import Session, pass_session

__all__ = ["Session", "main", "pass_session"]
