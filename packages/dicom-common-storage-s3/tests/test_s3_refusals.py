"""What the store refuses is said by the setting that is wrong, or in words."""

from __future__ import annotations

from contextlib import closing

import pytest
from s3_calls import WRONG, SettingsOf, fails, needs_minio

from dicom_common.core import HealthStatus, Secret
from dicom_common.core.tls import Tls
from dicom_common.storage.s3 import S3Storage
from dicom_common.testing import Endpoint, Fault, FaultProxy, health_of


@needs_minio
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"access_key": "nobody"}, "check the setting access_key"),
        ({"secret_key": Secret(WRONG)}, "check the setting secret_key"),
        ({"session_token": Secret(WRONG)}, "setting session_token"),
        ({"region": "eu-north-7"}, "check the setting region: it says us-east-1"),
        ({"bucket": "there-is-no-such-bucket"}, "check the setting bucket (there-is-no-such-bucket)"),
        ({"tls": Tls(mode="on")}, "check the settings endpoint, tls.mode"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_by_its_setting(
    settings_of: SettingsOf, changed: dict[str, object], expected: str
) -> None:
    fails(settings_of(**changed), expected)


@needs_minio
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.CLOCK_SKEWED, "set the clock"),
        (Fault.EXPIRED_CREDENTIAL, "renew the setting session_token"),
        (Fault.DENIED, "does not permit s3:"),
    ],
)
def test_what_a_store_may_say_one_day_is_said_in_words(
    settings_of: SettingsOf, service_endpoint: Endpoint, fault: Fault, expected: str
) -> None:
    with FaultProxy(service_endpoint, style="s3") as proxy:
        proxy.inject(fault, times=None)
        fails(settings_of(endpoint=str(proxy.endpoint)), expected)


@needs_minio
def test_a_clock_that_drifts_is_told_before_it_is_refused(settings_of: SettingsOf, service_endpoint: Endpoint) -> None:
    with FaultProxy(service_endpoint, style="s3") as proxy:
        proxy.inject(Fault.WRONG_DATE, times=None)
        with closing(S3Storage(settings_of(endpoint=str(proxy.endpoint)))) as storage:
            health = health_of(storage)
    assert health.status is HealthStatus.DEGRADED
    assert "clock" in health.detail
    assert abs(float(health.facts["clock_skew_seconds"]) + 3600) < 60
