"""Faults that pass: only the log may learn of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicom_common.core import AlreadyExistsError, NotFoundError, Storage, Uploads
from dicom_common.testing._contract import ability
from dicom_common.testing._faults._kinds import RETRYABLE_FAULTS, Fault
from dicom_common.testing._faults._proxy import FaultProxy
from dicom_common.testing._storage._fixtures import content
from dicom_common.testing._storage._remote_fixtures import RemoteFixtures
from dicom_common.testing._storage._samples import pattern, pattern_digest, pattern_file

__all__ = ["RemoteFaults"]

SMALL = 30_000
each_fault = pytest.mark.parametrize("case_fault", RETRYABLE_FAULTS)
IN_ANSWER = (Fault.RESET_IN_ANSWER, Fault.TRUNCATED_ANSWER)


class RemoteFaults(RemoteFixtures):
    """The part of `RemoteStorageContract` about what is tried again."""

    @each_fault
    def test_a_small_write_survives(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        def write(name: str) -> None:
            source = pattern_file(3, SMALL) if case_fault is Fault.RESET_IN_REQUEST else pattern(3, SMALL)
            info = remote.write(name, source, sha256=pattern_digest(3, SMALL))
            assert (info.key, info.size) == (name, SMALL)
            assert content(storage, name) == pattern(3, SMALL)

        self.survives(fault_proxy, case_fault, write)

    @pytest.mark.parametrize("case_fault", [Fault.RESET_IN_REQUEST, Fault.LOST_ANSWER, Fault.SLOW_DOWN])
    def test_a_large_write_survives_in_each_of_its_requests(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        size = self.multipart_bytes
        digest = pattern_digest(4, size)

        def write(name: str) -> None:
            assert remote.write(name, pattern_file(4, size), sha256=digest).size == size
            assert self._digest(storage, name) == digest

        self.survives(fault_proxy, case_fault, write)

    @each_fault
    @pytest.mark.parametrize("case_kind", ["small", "large"])
    def test_a_claim_survives_and_finds_its_own_object_not_there_before(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault, case_kind: str
    ) -> None:
        size = SMALL if case_kind == "small" else self.multipart_bytes
        digest = pattern_digest(5, size)

        def write(name: str) -> None:
            assert remote.write(name, pattern_file(5, size), if_absent=True, sha256=digest).size == size
            assert self._digest(storage, name) == digest

        self.survives(fault_proxy, case_fault, write)

    @ability(Uploads)
    @pytest.mark.parametrize("case_fault", [Fault.RESET_IN_REQUEST, Fault.LOST_ANSWER, Fault.SLOW_DOWN])
    @pytest.mark.parametrize("case_kind", ["small", "large"])
    def test_an_upload_survives_in_each_of_its_requests(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault, case_kind: str
    ) -> None:
        assert isinstance(remote, Uploads)
        size = SMALL if case_kind == "small" else self.multipart_bytes
        digest = pattern_digest(10, size)

        def upload(name: str) -> None:
            source = pattern_file(10, size)
            with remote.open_upload() as opened:
                while piece := source.read(1 << 20):
                    opened.write(piece)
                assert opened.commit(name, if_absent=True, sha256=digest).size == size
            assert self._digest(storage, name) == digest

        self.survives(fault_proxy, case_fault, upload)

    @each_fault
    def test_a_claim_of_what_is_there_is_refused_all_the_same(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        data = pattern(6, SMALL)

        def claim(name: str) -> None:
            storage.write(name, data)
            with pytest.raises(AlreadyExistsError):
                remote.write(name, data, if_absent=True)  # the same bytes, and yet not ours
            assert content(storage, name) == data

        self.survives(fault_proxy, case_fault, claim)

    @each_fault
    def test_a_read_survives(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        data = pattern(7, 5_000_000)
        storage.write("object", data)

        def read(_: str) -> None:
            assert content(remote, "object") == data
            assert b"".join(remote.read("object", start=1_000_001, length=3_000_000)) == data[1_000_001:4_000_001]
            assert list(remote.read("object", start=10**9)) == []
            with pytest.raises(NotFoundError):
                remote.read("missing")

        self.survives(fault_proxy, case_fault, read)

    @pytest.mark.parametrize("case_fault", IN_ANSWER)
    def test_a_read_that_breaks_again_and_again_goes_on_where_it_was(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        data = pattern(8, 5_000_000)
        storage.write("object", data)
        fault_proxy.inject(case_fault, method="GET", times=4)
        self.within(lambda: _assert_equal(content(remote, "object"), data))
        assert fault_proxy.injected[case_fault] == 4

    @each_fault
    def test_what_is_known_of_an_object_survives(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        written = storage.write("object", pattern(9, SMALL))

        def stat(_: str) -> None:
            found = remote.stat("object")
            assert (found.key, found.size, found.sha256) == (written.key, SMALL, written.sha256)
            with pytest.raises(NotFoundError):
                remote.stat("missing")

        self.survives(fault_proxy, case_fault, stat)

    @each_fault
    def test_a_scan_survives_with_each_object_once(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        keys = sorted(f"{number % 7}/{number}" for number in range(self.scan_objects))
        _at_once(lambda key: storage.write(key, key.encode()), keys)

        def scan(_: str) -> None:
            assert [found.key for found in remote.scan()] == keys
            assert [found.key for found in remote.scan("3/", after="3/3")] == [
                key for key in keys if key.startswith("3/") and key > "3/3"
            ]

        self.survives(fault_proxy, case_fault, scan)

    @each_fault
    def test_a_delete_survives(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy, case_fault: Fault
    ) -> None:
        def delete(name: str) -> None:
            storage.write(name, b"x")
            remote.delete(name)
            with pytest.raises(NotFoundError):
                storage.stat(name)

        self.survives(fault_proxy, case_fault, delete)

    def test_a_wrong_date_in_an_answer_does_no_harm(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy
    ) -> None:
        fault_proxy.inject(Fault.WRONG_DATE, times=None)
        remote.write("object", b"x")
        assert content(remote, "object") == content(storage, "object") == b"x"
        assert fault_proxy.injected[Fault.WRONG_DATE] >= 2

    def test_of_many_objects_through_random_faults_all_are_whole(
        self, storage: Storage, remote: Storage, fault_proxy: FaultProxy
    ) -> None:
        sizes = {f"{number}": number * 997 for number in range(150)} | {"large/1": self.multipart_bytes}
        fault_proxy.inject(*RETRYABLE_FAULTS, rate=0.05, times=None)

        def pass_through(key: str) -> None:
            seed, size = len(key), sizes[key]
            remote.write(key, pattern_file(seed, size), if_absent=seed % 2 == 0, sha256=pattern_digest(seed, size))
            assert self._digest(remote, key) == pattern_digest(seed, size)

        self.within(lambda: _at_once(pass_through, random.Random(1).sample(sorted(sizes), len(sizes))))
        assert sum(fault_proxy.injected.values()) > 5
        assert {found.key: found.size for found in remote.scan()} == sizes
        assert {found.key: found.size for found in storage.scan()} == sizes

    def _digest(self, storage: Storage, key: str) -> str:
        digest = hashlib.sha256()
        for chunk in storage.read(key):
            digest.update(chunk)
        return digest.hexdigest()


def _at_once(work: Callable[[str], object], keys: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, keys))


def _assert_equal(found: bytes, expected: bytes) -> None:
    assert found == expected
