"""Faults that do not pass, a store that stays away, and a store that is far away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from dicom_common.core import (
    BackendError,
    BatchWrites,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    RefusedError,
    Storage,
    UnavailableError,
    Write,
)
from dicom_common.testing._faults._kinds import PERMANENT_FAULTS, Fault
from dicom_common.testing._faults._proxy import FaultProxy
from dicom_common.testing._health import health_of
from dicom_common.testing._storage._fixtures import content
from dicom_common.testing._storage._remote_fixtures import RemoteFixtures
from dicom_common.testing._storage._samples import pattern, pattern_file

__all__ = ["RemoteLimits"]

Operation = Callable[[Storage, int], object]
OPERATIONS: Mapping[str, Operation] = {
    "write": lambda storage, _: storage.write("new/small", b"x"),
    "claim": lambda storage, _: storage.write("new/claimed", b"x", if_absent=True),
    "large-write": lambda storage, size: storage.write("new/large", pattern_file(1, size)),
    "read": lambda storage, _: b"".join(storage.read("old")),
    "stat": lambda storage, _: storage.stat("old"),
    "scan": lambda storage, _: list(storage.scan()),
    "delete": lambda storage, _: storage.delete("old"),
}
IN_FLIGHT = 32
LATENCY = 0.05


class RemoteLimits(RemoteFixtures):
    """The part of `RemoteStorageContract` about what cannot be mended by trying again."""

    # Refused

    @pytest.mark.parametrize(("case_fault", "case_operation"), [*product(PERMANENT_FAULTS, OPERATIONS)])
    def test_what_does_not_pass_is_refused_at_once_and_the_setting_is_named(  # noqa: PLR0913, PLR0917  # fixtures
        self,
        storage: Storage,
        remote: Storage,
        fault_proxy: FaultProxy,
        secrets: Sequence[str],
        case_fault: Fault,
        case_operation: str,
    ) -> None:
        storage.write("old", b"old")
        fault_proxy.inject(case_fault, times=None)
        # The answer of a missing bucket to HEAD, or to GET with some stores, is that of a missing object. Who deletes
        # or writes must learn of it.
        is_vague = case_fault is Fault.NO_BUCKET and case_operation in ("read", "stat")
        expected = (RefusedError, NotFoundError) if is_vague else (RefusedError,)
        with pytest.raises(expected) as caught:
            self.within(lambda: OPERATIONS[case_operation](remote, self.multipart_bytes))
        assert fault_proxy.requests <= self.request_limit, (
            f"{fault_proxy.requests} requests for one call that is refused: do not try again what cannot succeed"
            f" (`request_limit` is {self.request_limit})"
        )
        message = str(caught.value)
        assert message
        assert "\n" not in message
        assert not any(secret in message for secret in secrets)
        if caught.type is RefusedError:
            words = ("clock", "time") if case_fault is Fault.CLOCK_SKEWED and self.fault_style == "s3" else ()
            wanted = words or tuple(self.setting_words)
            assert any(word in message.lower() for word in wanted), (
                f"the refusal has none of the words {wanted}: let it name the setting to look at, or give the words of"
                f" your settings in `setting_words`. It says: {message}"
            )
        fault_proxy.clear()
        assert [(found.key, found.size) for found in storage.scan()] == [("old", 3)]

    @pytest.mark.parametrize("case_fault", PERMANENT_FAULTS)
    def test_check_tells_what_does_not_pass_and_no_secret(
        self, remote: Storage, fault_proxy: FaultProxy, secrets: Sequence[str], case_fault: Fault
    ) -> None:
        fault_proxy.inject(case_fault, times=None)
        health = health_of(remote)
        assert health.status is HealthStatus.FAILED
        assert not any(secret in f"{health.detail} {health.facts}" for secret in secrets)

    # Away

    @pytest.mark.parametrize("case_fault", [Fault.RESET_BEFORE, Fault.NO_ANSWER, Fault.SLOW_DOWN, Fault.INTERNAL_ERROR])
    def test_a_store_that_stays_away_is_unavailable_and_then_all_is_as_it_was(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        storage.write("old", b"old")
        fault_proxy.inject(case_fault, times=None)

        def failure(name: str) -> type[BaseException] | None:
            try:
                OPERATIONS[name](remote, self.multipart_bytes)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
                return type(error)
            return None

        def all_fail() -> None:
            with ThreadPoolExecutor(len(OPERATIONS)) as pool:
                found = dict(zip(OPERATIONS, pool.map(failure, OPERATIONS), strict=True))
            bad = {name: kind for name, kind in found.items() if not (kind and issubclass(kind, UnavailableError))}
            assert bad == {}
            assert health_of(remote).status is HealthStatus.FAILED

        self.within(all_fail)
        assert [(found.key, found.size) for found in storage.scan()] == [("old", 3)]
        fault_proxy.clear()
        assert content(remote, "old") == b"old"
        remote.write("new/small", b"again")
        assert content(storage, "new/small") == b"again"

    @pytest.mark.parametrize(("case_passed", "case_key"), [(1, "old"), (2, "new")])
    def test_a_large_write_that_gets_stuck_leaves_what_was_there(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_passed: int, case_key: str
    ) -> None:
        storage.write("old", b"old")
        remote.write("first", pattern_file(2, self.multipart_bytes), if_absent=True)  # what is asked once is asked now
        fault_proxy.reset_counts()
        remote.write("first", pattern_file(2, self.multipart_bytes))
        # Two requests are enough for a store that writes beside the object and renames it.
        last = fault_proxy.requests - 1
        fault_proxy.inject(Fault.RESET_IN_REQUEST, skip=min(case_passed, last), times=None)
        with pytest.raises(UnavailableError):
            self.within(
                lambda: remote.write(case_key, pattern_file(2, self.multipart_bytes), if_absent=case_key == "new")
            )
        fault_proxy.clear()
        assert content(storage, "old") == b"old"
        assert [found.key for found in storage.scan()] == ["first", "old"]

    def test_a_store_that_stops_in_the_middle_of_a_read_is_unavailable(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy
    ) -> None:
        data = pattern(3, 5_000_000)
        storage.write("object", data)
        fault_proxy.inject(Fault.RESET_IN_ANSWER)
        fault_proxy.inject(Fault.RESET_BEFORE, times=None)
        got: list[bytes] = []
        with pytest.raises(UnavailableError):
            self.within(lambda: got.extend(remote.read("object")))
        assert data.startswith(b"".join(got))

    # Far away

    def test_many_writes_share_the_latency_of_one(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy
    ) -> None:
        remote.write("first", b"x", if_absent=True)  # what is only asked once is asked now
        fault_proxy.latency = LATENCY

        data = pattern(4, 10_000)
        fault_proxy.reset_counts()
        _write_all(remote, [Write(key=f"many/{n}", source=data) for n in range(IN_FLIGHT)])
        # Requests that overlap share the latency. Seconds would say how busy this machine is.
        assert fault_proxy.peak_in_flight >= IN_FLIGHT // 4
        assert len(list(storage.scan("many/"))) == IN_FLIGHT


def _write_all(storage: Storage, writes: list[Write]) -> None:
    """Write as many at once as the storage likes; of one without batches, all at once."""
    if isinstance(storage, BatchWrites):
        answers: list[ObjectInfo | BackendError] = storage.write_many(writes)
        assert [answer for answer in answers if isinstance(answer, BackendError)] == []
        return
    with ThreadPoolExecutor(len(writes)) as pool:
        list(pool.map(lambda write: storage.write(write.key, write.source), writes))
