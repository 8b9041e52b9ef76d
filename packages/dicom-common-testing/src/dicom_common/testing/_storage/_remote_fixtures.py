"""What the contract of remote storages needs: the same storage twice, directly and through a `FaultProxy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest

from dicom_common.core import Storage, UnavailableError
from dicom_common.testing._contract import missing_fixture
from dicom_common.testing._faults._kinds import Fault, FaultStyle
from dicom_common.testing._faults._proxy import FaultProxy
from dicom_common.testing._services import Endpoint
from dicom_common.testing._storage._fixtures import StorageFixtures
from dicom_common.toolkit import call_within

__all__ = ["RemoteFixtures"]


class RemoteFixtures(StorageFixtures):
    """The fixtures and settings of `RemoteStorageContract`."""

    fault_style: FaultStyle = "plain"
    multipart_bytes = (16 << 20) + 1
    """The size of an object that the storage sends in several requests."""
    scan_objects = 60
    patience = 60.0
    """Seconds after which a call counts as hanging: far more than the time limits of the settings of `proxied`."""
    request_limit = 6
    """How many requests one call may make where the store refuses it. More is a storm of retries."""
    setting_words: Sequence[str] = ("account", "bucket", "container", "credential", "key", "token")
    """One of these must be in the message of a refusal: what the reader can look for in the configuration."""

    @pytest.fixture
    def server_endpoint(self, request: pytest.FixtureRequest) -> Endpoint:
        """Return where the server listens: that of the test's `service` mark, or one that the class starts itself."""
        if request.node.get_closest_marker("service") is None:
            missing_fixture("server_endpoint", "the Endpoint of your server, or set the mark `service`")
        found: Endpoint = request.getfixturevalue("service_endpoint")
        return found

    @pytest.fixture
    def fault_proxy(self, server_endpoint: Endpoint) -> Iterator[FaultProxy]:
        """Run a proxy in front of the server."""
        with FaultProxy(server_endpoint, style=self.fault_style) as proxy:
            yield proxy

    @pytest.fixture
    def proxied(self, fault_proxy: FaultProxy) -> Callable[[], Storage]:
        """Give the callable that opens the storage of `open_storage` at `fault_proxy.endpoint`."""
        what = f"a callable that opens the storage of `open_storage` through the proxy at {fault_proxy.endpoint}"
        opens: Callable[[], Storage] = missing_fixture("proxied", what)
        return opens

    @pytest.fixture
    def remote(self, proxied: Callable[[], Storage]) -> Iterator[Storage]:
        """Open the storage through the proxy."""
        with closing(proxied()) as storage:
            yield storage

    @pytest.fixture
    def secrets(self, request: pytest.FixtureRequest) -> Sequence[str]:
        """Give what no message may hold: all that is called a key of the server, but its name.

        Without the mark `service` there is none; a class whose storage has a password returns it.
        """
        if request.node.get_closest_marker("service") is None:
            return []
        options: dict[str, str] = request.getfixturevalue("service_options")
        return [value for name, value in options.items() if name == "key" or name.endswith("secret_key")]

    def within(self, work: Callable[[], object]) -> None:
        """Do some work, and fail where it hangs."""
        call_within(self.patience, work)

    def survives(self, proxy: FaultProxy, fault: Fault, work: Callable[[str], None]) -> None:
        """Do the same work again and again: each time another one of its requests meets the fault.

        Args:
            proxy: where the requests come through.
            fault: what they meet.
            work: is given another name each time, for the key that it writes.
        """
        count = min(self._requests_of(proxy, work, name) for name in ("undisturbed", "once-more"))
        assert count, "the storage does not go through the proxy"
        for position in sorted({0, count // 2, count - 1}):
            proxy.reset_counts()
            proxy.inject(fault, skip=position)
            try:
                self.within(lambda: work(f"{fault}/{position}"))  # noqa: B023  # it is called at once
            except UnavailableError as error:
                raise AssertionError(f"request {position + 1} of {count} did not survive {fault}: {error}") from error
            # The same work need not take the same number of requests each time; a first one there is.
            assert proxy.injected[fault] == 1 or position, f"no request met {fault}"
            proxy.clear()

    def _requests_of(self, proxy: FaultProxy, work: Callable[[str], None], name: str) -> int:
        proxy.reset_counts()
        work(name)
        return proxy.requests
