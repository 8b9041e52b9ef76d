"""`tools/services.py` starts real servers, tells when they are ready, and stops what it started and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import services

from dicom_common.testing.servers import HOST, SERVERS, Install, InstallError, Server
from dicom_common.testing.servers._install import cache_folder, pip_install

WEB = Server(
    name="web",
    programs=("python3",),
    package="python3",
    commands=lambda folder, port: [
        [sys.executable, "-c", "open('prepared', 'w').close()"],
        [sys.executable, "-m", "http.server", str(port), "--bind", HOST, "--directory", str(folder)],
    ],
    ready=lambda port: b"prepared" in fetch(port),
)


def fetch(port: int) -> bytes:
    with socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b""))


CACHE = cache_folder().parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep the state of this test apart from that of the repository, and stop whatever the test leaves."""
    monkeypatch.setattr(services, "ROOT", tmp_path)
    monkeypatch.setattr(services, "FOLDER", tmp_path / ".services")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path
    services.stop_all(kept=True)


def started(monkeypatch: pytest.MonkeyPatch, *servers: Server) -> dict[str, str]:
    monkeypatch.setattr(services, "SERVERS", servers)
    return services.start_all([server.name for server in servers], keep=True)


def test_a_server_that_was_started_answers_and_one_that_was_stopped_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, WEB) == {}
    entry = services.read_state()["web"]
    assert services.variables(services.read_state()) == {"DICOM_COMMON_TEST_WEB": f"{HOST}:{entry['port']}"}
    assert b"200 OK" in fetch(entry["port"])
    assert services.stop_all(kept=True) == ["web"]
    with pytest.raises(ConnectionRefusedError):
        fetch(entry["port"])
    assert services.read_state() == {}
    assert not Path(entry["folder"]).exists()


def test_a_second_start_takes_the_server_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, WEB)
    first = services.read_state()
    started(monkeypatch, WEB)
    assert services.read_state() == first


@pytest.mark.kills
def test_a_server_that_died_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, WEB)
    first = services.read_state()["web"]
    os.kill(first["pid"], signal.SIGKILL)
    os.waitpid(first["pid"], 0)
    started(monkeypatch, WEB)
    second = services.read_state()["web"]
    assert second["pid"] != first["pid"]
    assert b"200 OK" in fetch(second["port"])


@pytest.mark.kills
def test_a_process_that_got_the_id_of_a_dead_server_is_left_alone(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as other:
        with services.locked_state() as state:
            state["web"] = {"pid": other.pid, "started": "1", "port": 1, "keep": True, "folder": str(folder / "none")}
        services.stop_all(kept=True)
        assert other.poll() is None
        other.kill()


@pytest.mark.kills
def test_a_server_that_ignores_the_request_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal, sys, http.server as h; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    serve = f"h.HTTPServer(('{HOST}', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"
    server = Server(
        name="deaf",
        programs=(),
        package="",
        commands=lambda _, port: [[sys.executable, "-c", deaf + serve, str(port)]],
        ready=lambda port: b"200 OK" in fetch(port),
    )
    monkeypatch.setattr(services, "STOP_SECONDS", 0.5)
    started(monkeypatch, server)
    entry = services.read_state()["deaf"]
    services.stop_all(kept=True)
    assert not services.alive(entry)


def test_a_server_that_does_not_start_is_absent_with_its_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Server(
        name="broken",
        programs=(),
        package="",
        commands=lambda *_: [[sys.executable, "-c", "import sys; sys.exit('no room')"]],
        ready=lambda _: False,
    )
    absent = started(monkeypatch, broken)
    assert ".services/broken.log" in absent["broken"]
    assert "no room" in (folder / ".services" / "broken.log").read_text()
    assert services.read_state() == {}


def test_a_missing_program_is_told_with_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Server(
        name="nowhere", programs=("no-such-program",), package="some-package", commands=lambda *_: [], ready=bool
    )
    assert "apt-get install some-package" in started(monkeypatch, nowhere)["nowhere"]


def test_what_the_environment_names_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEB.variable, "elsewhere:1")
    monkeypatch.setattr(services, "SERVERS", (WEB,))
    with services.running_services(["web"]) as (environment, absent):
        assert environment[WEB.variable] == "elsewhere:1"
        assert absent == {}
        assert services.read_state() == {}


def test_a_run_stops_its_own_servers_and_leaves_those_that_were_there(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, WEB)
    with services.running_services(["web"]) as (environment, _):
        assert environment[WEB.variable].startswith(HOST)
    assert list(services.read_state()) == ["web"]


def test_what_a_client_must_know_is_exported_beside_the_endpoint_and_given_to_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = "import os; open('prepared-' + os.environ['KEY_OF_WEB'], 'w').close()"
    server = replace(
        WEB,
        commands=lambda folder, port: [[sys.executable, "-c", prepare], *WEB.commands(folder, port)],
        options={"KEY": "made-up"},
        environment=("KEY_OF_WEB=made-up=word",),
    )
    assert started(monkeypatch, server) == {}
    entry = services.read_state()["web"]
    assert b"prepared-made-up=word" in fetch(entry["port"])
    exported = services.variables(services.read_state())
    assert exported == {"DICOM_COMMON_TEST_WEB": f"{HOST}:{entry['port']}", "DICOM_COMMON_TEST_WEB_KEY": "made-up"}


# What no Debian package has


def install_of(*program: str, tool: str = sys.executable) -> Install:
    return Install(
        name="made-up",
        version="1.0",
        tool=tool,
        tool_package="some-package",
        commands=lambda folder: [[sys.executable, "-c", ";".join(program), folder]],
        program="bin",
    )


WRITES = install_of("import sys, pathlib", "pathlib.Path(sys.argv[1], 'bin').write_text('program')", "print('line')")


def test_an_installation_is_made_once_and_then_the_server_can_be_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = replace(WEB, install=WRITES)
    assert "services.py install web" in started(monkeypatch, server)["web"]
    assert services.install_all([server]) == []
    first = WRITES.path.stat()
    assert services.install_all([server]) == []
    assert WRITES.path.stat().st_mtime_ns == first.st_mtime_ns
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["web", "made-up"]] * 3
    assert started(monkeypatch, server) == {}


def test_an_installation_that_was_interrupted_is_made_again() -> None:
    WRITES.folder.mkdir(parents=True)
    WRITES.path.write_text("half")
    assert not WRITES.is_there()
    WRITES.run()
    assert WRITES.path.read_text() == "program"


def test_an_installation_that_fails_tells_its_last_words_and_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    broken = install_of("import sys", "sys.exit('no such version')")
    assert services.install_all([replace(WEB, install=broken)]) == ["web"]
    assert "no such version" in capsys.readouterr().out
    assert not broken.is_there()
    with pytest.raises(InstallError, match="has no bin"):
        install_of("print('nothing')").run()


def test_a_missing_tool_is_told_with_the_package_that_has_it() -> None:
    with pytest.raises(InstallError, match=r"by no-such-tool.*Debian has it in some-package"):
        install_of("", tool="no-such-tool").run()


def test_programs_lie_below_the_cache_of_the_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pip_install("some-tool", "1.2", "tool").path == folder / "cache/dicom-common/servers/some-tool-1.2/bin/tool"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the XDG base directories forbid
    assert cache_folder() == Path.home() / ".cache/dicom-common/servers"


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_known_server_that_this_machine_has_starts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    if reason := server.missing():
        pytest.skip(reason)
    monkeypatch.delenv(server.variable, raising=False)
    monkeypatch.setattr(services, "docker_answers", lambda: False)
    assert started(monkeypatch, server) == {}
    assert services.alive(services.read_state()[server.name])


def test_no_variable_of_a_server_looks_like_an_option_of_another() -> None:
    names = [server.variable for server in SERVERS]
    assert [(one, other) for one in names for other in names if other.startswith(f"{one}_")] == []
