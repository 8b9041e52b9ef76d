"""Where the keys come from: the settings, or the chain that the tools of the platform use, too."""

from __future__ import annotations

import threading

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    EnvMinioProvider,
    IamAwsProvider,
    Provider,
    StaticProvider,
)

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.storage.s3._settings import Settings

__all__ = ["AccessKeys"]

_ROLE_SECONDS = 2.0


class AccessKeys:
    """Gives the keys of the moment; those of a role are fetched anew before they expire."""

    def __init__(self, settings: Settings) -> None:
        self._lock = threading.Lock()  # the providers are not made for threads
        self._provider = _provider(settings)
        self._had = False

    def keys(self) -> Credentials:
        """Return the keys.

        Raises:
            RefusedError: there are none.
            UnavailableError: there were some, and they cannot be renewed.
        """
        with self._lock:
            try:
                keys = self._provider.retrieve()
            except (ValueError, OSError, urllib3.exceptions.HTTPError) as error:
                if self._had:
                    raise UnavailableError("The credentials of the role cannot be renewed now: try again.") from error
                raise RefusedError(
                    "No credentials for the S3 storage: set access_key and secret_key, or AWS_ACCESS_KEY_ID and"
                    " AWS_SECRET_ACCESS_KEY in the environment, or a profile in credentials_file, or give the machine a"
                    " role."
                ) from error
            self._had = True
            return keys


def _provider(settings: Settings) -> Provider:
    if settings.access_key is not None and settings.secret_key is not None:
        token = settings.session_token.reveal() if settings.session_token else None
        return StaticProvider(settings.access_key, settings.secret_key.reveal(), token)
    file = None if settings.credentials_file is None else str(settings.credentials_file)
    profile = AWSConfigProvider(file, settings.profile)
    if settings.credentials_file is not None or settings.profile is not None:
        return profile  # whoever names one does not mean another
    # Without a role no service answers at the address of the metadata service: that must not hold up a start.
    http = urllib3.PoolManager(timeout=_ROLE_SECONDS, retries=False)
    return ChainedProvider([EnvAWSProvider(), EnvMinioProvider(), profile, IamAwsProvider(http_client=http)])
