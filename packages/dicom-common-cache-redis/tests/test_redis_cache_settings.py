from __future__ import annotations

import pytest

from dicom_common.cache.redis import Settings
from dicom_common.cache.redis._address import parse
from dicom_common.core import ConfigError
from dicom_common.core.tls import Tls


@pytest.mark.parametrize(
    ("url", "form", "nodes"),
    [
        ("redis://127.0.0.1:6379/2", "server", (("127.0.0.1", 6379),)),
        ("rediss://cache.example", "server", (("cache.example", 6379),)),
        ("rediss://[::1]:7000/0", "server", (("::1", 7000),)),
        ("rediss://[::1]", "server", (("::1", 6379),)),
        ("rediss+sentinel://a:1,b/main/3", "sentinel", (("a", 1), ("b", 26379))),
        ("redis+cluster://a:1,b:2", "cluster", (("a", 1), ("b", 2))),
        ("unix:///run/redis.sock", "socket", ()),
    ],
)
def test_each_form_of_address_is_taken_apart(url: str, form: str, nodes: tuple[tuple[str, int], ...]) -> None:
    address = parse(url)
    assert (address.form, address.nodes, address.tls) == (form, nodes, url.startswith("rediss"))


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://:6379",
        "redis://a:0",
        "redis://a:99999",
        "redis://a:b",
        "redis://a,b/0",
        "redis://a/x",
        "redis://a/0/1",
        "redis://a?password=hunter2",
        "redis://user:hunter2@a",
        "redis+sentinel://a:1",
        "redis+sentinel://a:1/main/0/1",
        "redis+cluster://a:1/0",
        "unix://socket",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="url") as caught:
        Settings(url=url)
    assert "hunter2" not in str(caught.value)


def test_a_connection_to_another_machine_is_encrypted_or_the_operator_says_that_it_need_not_be() -> None:
    with pytest.raises(ConfigError, match=r"rediss.*tls\.mode"):
        Settings(url="redis://cache.example/0")
    with pytest.raises(ConfigError, match="rediss"):
        Settings(url="redis+sentinel://127.0.0.1,cache.example/main")
    Settings(url="redis://cache.example/0", tls=Tls(mode="off"))
    Settings(url="rediss://cache.example/0")


def test_a_prefix_with_a_space_is_named() -> None:
    with pytest.raises(ConfigError, match="prefix"):
        Settings(prefix="a b")
