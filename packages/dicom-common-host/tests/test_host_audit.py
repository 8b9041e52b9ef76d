"""Audit events: what reaches the extensions that keep a trail, and what happens when one cannot."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from dicom_common.core import AuditedStudy, AuditEvent, AuditKind
from dicom_common.host import Services
from dicom_common.toolkit import process_user

CANARY = "Canary^Patient"
AUDIT = "@hookimpl\ndef dicom_common_audit(self, events):\n    CALLS.append(list(events))\n    "
REFUSAL = "@hookimpl\ndef dicom_common_audit_refusal(self):\n    "


def event(**more: Any) -> AuditEvent:
    studies = (AuditedStudy(study_uid="1.2", patient_id=CANARY),)
    return AuditEvent(kind=AuditKind.QUERIED, tenant="clinic", user=CANARY, query=CANARY, studies=studies, **more)


@pytest.fixture
def services_with(add_extension: Callable[[str, str], str]) -> Callable[..., Services]:
    def make(*, time_limit: float = 30, **sources: str) -> Services:
        for name, hooks in sources.items():
            add_extension(name, hooks)
        return Services.from_file(overrides={"extensions": list(sources), "extension_time_limit": time_limit})

    return make


def test_every_extension_is_told_of_all_events(services_with: Callable[..., Services]) -> None:
    services, events = services_with(one=AUDIT + "return None", two=AUDIT + "return None"), [event(), event()]
    assert services.extensions.audits
    assert services.extensions.audit(events)
    for name in ("one", "two"):
        assert [events] == __import__(f"acme_{name}").CALLS


def test_without_an_audit_extension_nobody_is_called() -> None:
    extensions = Services.from_file().extensions
    assert not extensions.audits
    assert extensions.audit([event()])
    assert extensions.audit_refusal() is None


@pytest.mark.parametrize("fate", [f"raise KeyError({CANARY!r})", "raise SystemExit", "GATE.wait(60)"])
def test_a_trail_that_fails_is_told_loudly_by_ids_and_others_are_written(
    services_with: Callable[..., Services], fate: str, caplog: pytest.LogCaptureFixture
) -> None:
    services, told = services_with(time_limit=2, bad=AUDIT + fate, good=AUDIT + "return None"), event()
    assert not services.extensions.audit([told])
    __import__("acme_bad").GATE.set()
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "NOT in its audit trail" in record.getMessage()
    assert told.id in record.getMessage()
    assert CANARY not in caplog.text
    assert len(__import__("acme_good").CALLS) == 1


def test_a_trail_that_cannot_be_written_may_refuse_before_anything_is_done(
    services_with: Callable[..., Services],
) -> None:
    services = services_with(fine=REFUSAL + "return None", full=REFUSAL + "return 'the disk is full'")
    assert services.extensions.audit_refusal() == "extension full: the disk is full"
    assert not services.extensions.audits


def test_a_trail_that_fails_when_it_is_asked_refuses(services_with: Callable[..., Services]) -> None:
    services = services_with(bad=REFUSAL + f"raise KeyError({CANARY!r})")
    assert services.extensions.audit_refusal() == "extension bad failed (KeyError)"


def test_no_repr_shows_a_patient_or_a_user() -> None:
    assert CANARY not in repr(event())
    assert CANARY not in repr(event().studies)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        event(time=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_the_user_of_a_process_is_never_empty() -> None:
    assert process_user()
