from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from dicom_common.cache.redis import RedisCache, Settings
from dicom_common.core import ConfigError, HealthStatus, Secret, UnavailableError
from dicom_common.core.tls import Tls
from dicom_common.testing import health_of

pytestmark = pytest.mark.kills

Server = Any
"""What `start_redis` of conftest.py starts."""
Start = Callable[..., Server]


def url(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


def opened(address: str, **settings: Any) -> RedisCache:
    """Open a cache whose time limits suit a machine that is busy with other tests."""
    return RedisCache(Settings(url=address, timeout=20, connect_timeout=20, **settings))


def plain(server: Server) -> redis.Redis:
    return redis.Redis(port=server.port)


def refusal(cache: RedisCache) -> str:
    with pytest.raises(UnavailableError) as caught:
        cache.get("a")
    health = health_of(cache)
    assert health.status is HealthStatus.FAILED
    assert "hunter2" not in str(caught.value) + health.detail
    return health.detail


# Down


def test_a_server_that_is_not_there_is_an_error_that_names_the_setting(free: int) -> None:
    with closing(RedisCache(Settings(url=f"redis://127.0.0.1:{free}/0"))) as cache:
        assert "cache.url" in refusal(cache)


def test_a_host_that_is_unknown_is_an_error_that_names_the_setting() -> None:
    with closing(RedisCache(Settings(url="rediss://nowhere.invalid/0"))) as cache:
        assert "cache.url" in refusal(cache)


def test_a_server_that_hangs_costs_its_time_limit_a_few_times_and_then_nothing(start_redis: Start) -> None:
    server = start_redis()
    settings = Settings(url=url(server), timeout=2, failures=3, pause=600)
    with closing(RedisCache(settings)) as cache:
        cache.set("a", b"x", ttl=60)
        server.pause()
        for number in range(30):  # only the first failures ask the server
            with pytest.raises(UnavailableError, match="in time" if number < 3 else "left alone"):
                cache.get("a")
        server.resume()
        with pytest.raises(UnavailableError, match="left alone"):
            cache.get("a")


def test_a_server_that_comes_back_is_used_again(start_redis: Start) -> None:
    server = start_redis()
    with closing(opened(url(server), failures=2, pause=0.2)) as cache:
        cache.set("a", b"x", ttl=60)
        server.kill()
        for _ in range(5):
            with pytest.raises(UnavailableError):
                cache.get("a")
        server.start()
        time.sleep(0.4)
        assert cache.get("a") is None
        assert cache.add("a", b"y", ttl=60) is True
        assert cache.get("a") == b"y"


def test_a_restart_between_two_calls_is_not_noticed(start_redis: Start) -> None:
    server = start_redis()
    with closing(opened(url(server))) as cache:
        cache.set("a", b"x", ttl=60)
        server.kill()
        server.start()
        assert cache.add("a", b"y", ttl=60) is True


# Others


def test_what_others_keep_under_our_keys_is_not_taken_for_a_value(start_redis: Start) -> None:
    server = start_redis()
    with closing(opened(url(server))) as cache, plain(server) as other:
        strangers: tuple[tuple[str, ...], ...] = (
            ("RPUSH", "x"),
            ("HSET", "f", "x"),
            ("SADD", "x"),
            ("XADD", "*", "f", "x"),
        )
        for number, (command, *words) in enumerate(strangers):
            other.execute_command(command, f"dicom-common:{number}", *words)
            assert cache.get(str(number)) is None
            assert cache.delete(str(number), only_if=b"x") is False
            assert cache.add(str(number), b"ours", ttl=60) is False
            cache.set(str(number), b"ours", ttl=60)
            assert cache.get(str(number)) == b"ours"
        assert health_of(cache).status is HealthStatus.OK


def test_two_prefixes_do_not_see_each_other(start_redis: Start) -> None:
    server = start_redis()
    one, other = (opened(url(server), prefix=prefix) for prefix in ("a:", "b:"))
    with closing(one), closing(other):
        one.set("key", b"one", ttl=60)
        assert other.get("key") is None
        assert other.add("key", b"other", ttl=60) is True
        assert one.get("key") == b"one"


def test_a_full_server_is_said_and_is_still_read(start_redis: Start) -> None:
    server = start_redis("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    with closing(opened(url(server))) as cache:
        cache.set("first", b"x", ttl=60)
        assert health_of(cache).status is HealthStatus.DEGRADED

        def fill() -> None:
            for number in range(10_000):
                cache.set(str(number), bytes(10_000), ttl=60)

        with pytest.raises(UnavailableError, match="maxmemory-policy"):
            fill()
        assert cache.get("first") == b"x", "a full server is not left alone"


# Credentials


def test_a_wrong_or_missing_password_names_the_settings(start_redis: Start) -> None:
    server = start_redis("--requirepass", "hunter2")
    with closing(RedisCache(Settings(url=url(server)))) as cache:
        assert "cache.password" in refusal(cache)
    with closing(RedisCache(Settings(url=url(server), password=Secret("hunter2-wrong")))) as cache:
        assert "cache.password" in refusal(cache)
    with closing(opened(url(server), password=Secret("hunter2"))) as cache:
        cache.set("a", b"x", ttl=60)


def test_the_readme_s_access_control_list_is_enough_and_less_is_said(start_redis: Start) -> None:
    server = start_redis()
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith("ACL SETUSER")]
    with plain(server) as other:
        other.execute_command(*line.split())
        other.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+info")
    with closing(opened(url(server), username="imaging", password=Secret("secret"))) as cache:
        assert cache.add("a", b"x", ttl=60) is True
        assert cache.delete("a", only_if=b"x") is True
        cache.set("a", b"x", ttl=60)
        assert cache.get("a") == b"x"
        assert cache.delete("a") is True
        assert "redis_version" in health_of(cache).facts
    with closing(RedisCache(Settings(url=url(server), username="reader", password=Secret("secret")))) as cache:
        assert "README" in refusal(cache)


# TLS


@pytest.fixture
def tls_server(start_redis: Start, free: int, tmp_path: Path) -> Server:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    for name in ("127.0.0.1", "client"):
        issued = authority.issue_cert(name if name[0].isdecimal() else f"{name}.example")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    return start_redis(
        *("--port", "0", "--tls-port", str(free), "--tls-ca-cert-file", str(tmp_path / "ca.pem")),
        *("--tls-cert-file", str(tmp_path / "127.0.0.1.pem"), "--tls-key-file", str(tmp_path / "127.0.0.1.key")),
        port=free,
    )


def test_tls_with_a_client_certificate_works_and_anything_less_is_refused(tls_server: Server, tmp_path: Path) -> None:
    address = f"rediss://127.0.0.1:{tls_server.port}/0"
    ours: dict[str, Any] = {"certificate": tmp_path / "client.pem", "key": tmp_path / "client.key"}
    with closing(opened(address, tls=Tls(ca=tmp_path / "ca.pem", **ours))) as cache:
        cache.set("a", b"x", ttl=60)
        assert cache.get("a") == b"x"
    for tls, named in (
        (Tls(ca=tmp_path / "other.pem", **ours), "cache.tls.ca"),
        (Tls(**ours), "cache.tls.ca"),
        (Tls(ca=tmp_path / "ca.pem"), "cache.tls.certificate"),
    ):
        with closing(opened(address, tls=tls)) as cache:
            assert named in refusal(cache)
    wrong_name = Settings(url=f"rediss://localhost:{tls_server.port}/0", tls=Tls(ca=tmp_path / "ca.pem", **ours))
    with closing(RedisCache(wrong_name)) as cache:
        assert "cache.tls.ca" in refusal(cache)


def test_tls_where_the_server_speaks_none_and_the_other_way_round(tls_server: Server, start_redis: Start) -> None:
    without = start_redis()
    with closing(RedisCache(Settings(url=f"rediss://127.0.0.1:{without.port}/0", tls=Tls(mode="on")))) as cache:
        assert "cache.url" in refusal(cache)
    with closing(RedisCache(Settings(url=url(tls_server)))) as cache:
        assert "cache.url" in refusal(cache)


def test_a_file_of_tls_that_is_missing_is_named(tmp_path: Path) -> None:
    cache = RedisCache(Settings(url="rediss://127.0.0.1/0", tls=Tls(ca=tmp_path / "none.pem")))
    with closing(cache), pytest.raises(ConfigError, match=r"none\.pem.*tls\.ca"):
        cache.get("a")


# Other forms of address


def works(cache: RedisCache) -> bool:
    cache.set("a", b"x", ttl=60)
    return cache.get("a") == b"x" and cache.delete("a", only_if=b"x") and health_of(cache).status is HealthStatus.OK


def test_a_unix_socket(start_redis: Start, tmp_path: Path) -> None:
    start_redis("--unixsocket", str(tmp_path / "s"))
    with closing(opened(f"unix://{tmp_path / 's'}")) as cache:
        assert works(cache)


def test_a_cluster_and_a_server_that_is_none(start_redis: Start, free: int) -> None:
    # By default the nodes talk at 10,000 above the port, which for many a free port is above all ports.
    node = start_redis("--cluster-enabled", "yes", "--cluster-port", str(free))
    alone = start_redis()
    with plain(node) as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in bytes(client.execute_command("CLUSTER", "INFO")):
            time.sleep(0.05)
    with closing(opened(f"redis+cluster://127.0.0.1:{node.port}")) as cache:
        assert works(cache)
    with closing(RedisCache(Settings(url=f"redis+cluster://127.0.0.1:{alone.port}"))) as cache:
        assert "cache.url" in refusal(cache)


def test_sentinels_name_the_server_and_after_a_failover_another(start_redis: Start, tmp_path: Path) -> None:
    primary = start_redis()
    replica = start_redis("--replicaof", "127.0.0.1", str(primary.port))
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"sentinel monitor main 127.0.0.1 {primary.port} 1\n"
        "sentinel down-after-milliseconds main 2000\nsentinel failover-timeout main 5000\n"
    )
    sentinel = start_redis(str(file), "--sentinel")
    address = f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0"
    with closing(opened(address, pause=0.1)) as cache:
        assert works(cache)
        with plain(replica) as client:
            give_up = time.monotonic() + 60
            while client.info()["master_link_status"] != "up" and time.monotonic() < give_up:
                time.sleep(0.05)
        with plain(sentinel) as client:
            while not client.sentinel_slaves("main"):  # it learns of them from the primary
                assert time.monotonic() < give_up
                time.sleep(0.05)
        primary.kill()
        give_up = time.monotonic() + 60
        while True:
            try:
                assert works(cache)
                break
            except UnavailableError:
                assert time.monotonic() < give_up, "the failover is not noticed"
                time.sleep(0.1)
    with closing(RedisCache(Settings(url=f"redis+sentinel://127.0.0.1:{sentinel.port}/other"))) as cache:
        assert "service" in refusal(cache)
