"""Storage keys are made of validated segments only."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from dicom_common.core import ConfigError, DicomError, Instance, validate_key
from dicom_common.dicom import hash_uid
from dicom_common.pipeline import IngestSettings, Layout

INSTANCE = Instance(
    study_uid="1.2.3",
    series_uid="1.2.3.4",
    sop_uid="1.2.3.4.5",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    size=1,
    sha256="0" * 64,
    study_date=date(2026, 1, 2),
)


def test_default_layout_is_tenant_date_study_series_instance() -> None:
    assert Layout().key("local", INSTANCE) == "local/20260102/1.2.3/1.2.3.4/1.2.3.4.5.dcm"


def test_absent_study_date_is_undated() -> None:
    assert Layout().key("local", replace(INSTANCE, study_date=None)).startswith("local/undated/1.2.3/")


def test_a_year_of_three_digits_keeps_the_length_of_the_date() -> None:
    assert Layout().key("local", replace(INSTANCE, study_date=date(987, 6, 5))).startswith("local/09870605/")


def test_hashes_are_those_of_the_uids() -> None:
    layout = Layout("{tenant}/{study_uid_hash}/{series_uid_hash}/{sop_uid_hash}")
    expected = "/".join(hash_uid(uid) for uid in ("1.2.3", "1.2.3.4", "1.2.3.4.5"))
    assert layout.key("t", INSTANCE) == f"t/{expected}"


@pytest.mark.parametrize("template", ["{tenant}/{study_uid}/{sop_uid}.dcm", "{tenant}/{sop_uid_hash}"])
def test_unique_keys_are_never_the_same_and_stay_in_the_folder(template: str) -> None:
    layout = Layout(template)
    plain = layout.key("t", INSTANCE)
    keys = {layout.key("t", INSTANCE, unique=True) for _ in range(100)}
    assert len(keys) == 100
    assert plain not in keys
    assert {key.rpartition("/")[0] for key in keys} == {plain.rpartition("/")[0]}
    assert all(key.endswith(".dcm") for key in keys) == plain.endswith(".dcm")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{study_uid}/{sop_uid}", "start with {tenant}/"),
        ("{tenant}{study_uid}/{sop_uid}", "start with {tenant}/"),
        ("x/{tenant}/{sop_uid}", "start with {tenant}/"),
        ("{tenant}/{study_uid}", "{sop_uid}"),
        ("{tenant}/{sop_uid}/{series_uid}", "behind its last /"),
        ("{tenant}/metadata/{sop_uid}", "metadata"),
        ("{tenant}/{patient_name}/{sop_uid}", "not one of"),
        ("{tenant}/{sop_uid:.3}", "not one of"),
        ("{tenant}/{sop_uid!r}", "not one of"),
        ("{tenant}/{sop_uid[0]}{sop_uid}", "not one of"),
        ("{tenant}/{sop_uid.__class__}/{sop_uid}", "not one of"),
        ("{tenant}/{}{sop_uid}", "not one of"),
        ("{tenant}/{sop_uid", "not a template"),
        ("{tenant}/../{sop_uid}", "segments"),
        ("{tenant}//{sop_uid}", "segments"),
        ("{tenant}/a\\b/{sop_uid}", "backslash"),
        ("{tenant}/{study_uid}{series_uid}{sop_uid}{study_uid}.dcm", "255"),
        ("", "start with"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_the_start(template: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("{", r"\{")):
        Layout(template)
    with pytest.raises(ValueError, match=says.replace("{", r"\{")):
        IngestSettings(layout=template)


@pytest.mark.parametrize("uid", ["", "..", "1/2", "1..2", "../../x", "1.2\0.3", "1.2\n", "a", "1" * 65, "1.2 .3"])
def test_what_is_no_uid_never_becomes_a_segment(uid: str) -> None:
    for name in ("study_uid", "series_uid", "sop_uid"):
        odd: dict[str, Any] = {name: uid}
        with pytest.raises(DicomError):
            Layout().key("local", replace(INSTANCE, **odd))


@pytest.mark.parametrize("tenant", ["", "A", "../x", "a/b", "-a", "a" * 64])
def test_what_is_no_tenant_never_becomes_a_segment(tenant: str) -> None:
    with pytest.raises(ConfigError):
        Layout().key(tenant, INSTANCE)


_UIDS = st.from_regex(r"[0-9]{1,10}(\.[0-9]{1,10}){0,4}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a machine that is busy, the first draw takes seconds
@given(tenant=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True), uids=st.tuples(_UIDS, _UIDS, _UIDS))
def test_every_key_is_one_that_storages_take(tenant: str, uids: tuple[str, str, str]) -> None:
    study, series, sop = uids
    instance = replace(INSTANCE, study_uid=study, series_uid=series, sop_uid=sop)
    for unique in (False, True):
        key = Layout().key(tenant, instance, unique=unique)
        assert validate_key(key).split("/")[0] == tenant
        assert sop in key.rpartition("/")[2]


def test_limits_below_one_are_refused() -> None:
    for name in ("batch_instances", "batch_bytes", "in_memory_bytes"):
        zero: dict[str, Any] = {name: 0}
        with pytest.raises(ValueError, match=name):
            IngestSettings(**zero)
