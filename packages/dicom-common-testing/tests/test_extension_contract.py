"""The contract of extensions, against extensions that break it."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from dicom_common.core import Instance, Origin, Stored, hookimpl
from dicom_common.testing import ExtensionContract, make_instance


class Contract(ExtensionContract):
    name = "not-installed"


class Telling:
    @hookimpl
    def dicom_common_accept(self, instance: Instance) -> str | None:
        return f"refused: {instance.patient_name}"

    def close(self) -> None: ...


class ReasonIsTrue(Telling):
    @hookimpl
    def dicom_common_accept(self, instance: Instance) -> str | None:
        return cast("Any", bool(instance.modality))  # type: ignore[no-any-return]  # what it must not return


class TellsTheSender(Telling):
    @hookimpl
    def dicom_common_accept(self, origin: Origin) -> str | None:  # type: ignore[override]  # hooks take what they need
        return f"not from {origin.ae_title}"


class Forgetful(Telling):
    """Answers from what another thread asked last."""

    def __init__(self) -> None:
        self._asked: set[int] = set()

    @hookimpl
    def dicom_common_accept(self, instance: Instance) -> str | None:
        del instance
        is_known = threading.get_ident() in self._asked
        self._asked.add(threading.get_ident())
        return "asked before" if is_known else None


class Unspecified(Telling):
    @hookimpl
    def dicom_common_accept(self, patient: str) -> str | None:  # type: ignore[override]  # what is tested
        return patient


class NoHook:
    def close(self) -> None: ...


class ReturnsACount:
    @hookimpl
    def dicom_common_stored(self, instances: list[Stored]) -> int:
        return len(instances)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("test", "extension", "said"),
    [
        ("test_it_implements_a_hook_as_it_is_specified", NoHook, "implement one of dicom_common_accept"),
        ("test_it_implements_a_hook_as_it_is_specified", Unspecified, "patient"),
        ("test_a_reason_holds_nothing_of_the_instance", Telling, "holds what the data set"),
        ("test_a_reason_holds_nothing_of_the_instance", TellsTheSender, "holds what the data set or the sender"),
        ("test_it_answers_in_time_and_with_what_is_specified", ReasonIsTrue, "not bool"),
        ("test_the_same_instance_has_the_same_answer_in_every_thread", Forgetful, "asked before"),
        ("test_it_learns_of_what_is_stored_from_many_threads_at_once_and_twice", ReturnsACount, "returns nothing"),
    ],
)
def test_what_breaks_the_contract_is_said(test: str, extension: type[Any], said: str) -> None:
    asks = "reason" in test or "same" in test
    with pytest.raises(Exception, match=said):
        getattr(Contract(), test)(extension(), *([[make_instance()]] if asks else []))


def test_an_extension_that_is_not_installed_is_said() -> None:
    with pytest.raises(AssertionError, match="0 installed entry points 'not-installed'"):
        Contract().test_its_entry_point_offers_it_under_its_name()
