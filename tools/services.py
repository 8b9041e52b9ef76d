#!/usr/bin/env python3
"""Start and stop real servers for tests, on free ports of the loopback interface.

Examples:
  python3 tools/services.py install s3 gcs azure   get the servers that no Debian package has
  python3 tools/services.py install ohif           get a viewer for the browser, and say where it is
  python3 tools/services.py start redis postgres   start two (without names: all that this machine can run)
  python3 tools/services.py status                 what runs where, and why the others do not
  eval "$(python3 tools/services.py env)"          let tests in this shell find them
  python3 tools/services.py stop                   stop what was started, also by a run that crashed

For each server an endpoint in the environment comes first (DICOM_COMMON_TEST_REDIS=host:port), then a docker engine,
then a program of this machine; `install` puts programs into ~/.cache/dicom-common/servers. What runs is noted in
.services/state.json, by process id and start time; logs lie beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from _workspace import ROOT

from dicom_common.testing.servers import (
    HOST,
    NO_SERVERS,
    OHIF,
    SERVERS,
    AbsentError,
    Install,
    InstallError,
    Server,
    free_port,
    launch,
    make_folder,
    prepare,
    start_time,
    wait_until_ready,
)

FOLDER = ROOT / ".services"
STOP_SECONDS = 15


@contextlib.contextmanager
def locked_state() -> Iterator[dict[str, Any]]:
    """Hold the state file: no other start or stop of this repository runs meanwhile. What is changed is written."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = read_state()
        try:
            yield state
        finally:
            write_state(state)


def read_state() -> dict[str, Any]:
    """Return what is noted of each server that was started."""
    try:
        return dict(json.loads((FOLDER / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def write_state(state: dict[str, Any]) -> None:
    """Replace the state file, in one step."""
    new = FOLDER / "state.new"
    new.write_text(json.dumps(state, indent=1), encoding="utf-8")
    new.replace(FOLDER / "state.json")


def alive(entry: dict[str, Any]) -> bool:
    """Tell whether a noted server still runs."""
    if container := entry.get("container"):
        asked = ["docker", "inspect", "-f", "{{.State.Running}}", container]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "true"
    return start_time(entry["pid"]) == str(entry["started"])


@functools.cache
def docker_answers() -> bool:
    """Tell whether there is a docker engine."""
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=10).returncode == 0
    return False


def start(server: Server, state: dict[str, Any], *, keep: bool) -> None:
    """Start a server, note it, and wait until it is ready; AbsentError says why it cannot be had."""
    entry: dict[str, Any] = {"port": free_port(), "keep": keep}
    if server.image and docker_answers():
        start_container(server, entry)
    elif reason := server.missing():
        raise AbsentError(reason)
    else:
        start_program(server, entry)
    state[server.name] = entry
    write_state(state)  # before the wait: what crashes now can still be stopped
    if not wait_until_ready(server, entry["port"], lambda: alive(entry)):
        stop(server.name, state)
        raise AbsentError(f"{server.name} does not start: see {log_file(server).relative_to(ROOT)}")


def log_file(server: Server) -> Path:
    """Where the output of a server goes."""
    return FOLDER / f"{server.name}.log"


def start_container(server: Server, entry: dict[str, Any]) -> None:
    """Start a server in a container that removes itself."""
    assert server.image is not None
    command = ["docker", "run", "--detach", "--rm", f"--publish={HOST}:{entry['port']}:{server.image_port}"]
    command += [f"--env={setting.format(port=entry['port'])}" for setting in server.image_environment]
    done = subprocess.run(
        [*command, server.image, *(word.format(port=entry["port"]) for word in server.image_arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AbsentError(f"docker does not run {server.image}: {done.stderr.strip().splitlines()[-1]}")
    entry["container"] = done.stdout.strip()


def start_program(server: Server, entry: dict[str, Any]) -> None:
    """Start a server as a process, in a fresh folder."""
    folder = make_folder(server)
    entry["folder"] = str(folder)
    with log_file(server).open("wb") as log:
        if not prepare(server, folder, entry["port"], log):
            shutil.rmtree(folder, ignore_errors=True)
            raise AbsentError(f"{server.name} cannot be prepared: see {log_file(server).relative_to(ROOT)}")
        process = launch(server, folder, entry["port"], log)
    entry["pid"] = process.pid
    entry["started"] = start_time(process.pid)


def stop(name: str, state: dict[str, Any]) -> None:
    """Stop a server that was started here, and forget it. A process id that now belongs to another is left alone."""
    entry = state.pop(name)
    if container := entry.get("container"):
        subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        give_up = time.monotonic() + STOP_SECONDS
        with contextlib.suppress(ProcessLookupError):
            if alive(entry):
                os.killpg(entry["pid"], number)
        while alive(entry) and time.monotonic() < give_up:
            time.sleep(0.02)
            reap(entry["pid"])
    reap(entry["pid"])
    shutil.rmtree(entry["folder"], ignore_errors=True)


def reap(pid: int) -> None:
    """Take the exit status of a server that is our own child."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def forget_dead(state: dict[str, Any]) -> None:
    """Forget servers that no longer run, and remove their folders."""
    for name in [name for name, entry in state.items() if not alive(entry)]:
        stop(name, state)


def variables(state: dict[str, Any]) -> dict[str, str]:
    """Return the variables by which tests find the servers that run."""
    running = [server for server in SERVERS if server.name in state and alive(state[server.name])]
    exported: dict[str, str] = {}
    for server in running:
        exported |= server.variables(f"{HOST}:{state[server.name]['port']}")
    return exported


def start_all(names: Iterable[str], *, keep: bool) -> dict[str, str]:
    """Start what does not run yet; return, for each server that cannot be had, why."""
    absent = {}
    known = {server.name: server for server in SERVERS}
    with locked_state() as state:
        forget_dead(state)
        for name in sorted(names):
            server = known.get(name)
            if server is None:
                absent[name] = "dicom_common.testing.servers does not know how to start it"
            elif server.variable not in os.environ and name not in state:
                try:
                    start(server, state, keep=keep)
                except AbsentError as error:
                    absent[name] = str(error)
    return absent


def install_all(servers: Iterable[Server]) -> list[str]:
    """Install what is not there yet, with a line each; return the names of those that could not be installed."""
    failed = []
    for server in servers:
        if server.install is None:
            text = server.missing() or "needs no installation"
        elif server.image and docker_answers():
            text = "needs no installation: docker starts it"
        else:
            failed += install(server.name, server.install)
            continue
        print(f"{server.name:13} {text}", flush=True)
    return failed


def install(name: str, program: Install) -> list[str]:
    """Install a program if it is not there yet, with a line; return its name if that failed."""
    shown = f"{program.name} {program.version}"
    if not program.is_there():
        print(f"{name:13} {shown} ... (may take minutes)", flush=True)
    try:
        program.run()
    except InstallError as error:
        print(f"{name:13} {error}", flush=True)
        return [name]
    where = f" in {program.path.parent}" if program is OHIF else ""
    print(f"{name:13} {shown} is installed{where}", flush=True)
    return []


def stop_all(names: Iterable[str] = (), *, kept: bool) -> list[str]:
    """Stop what runs (of `names`, if there are any); with `kept=False` only what no one asked to keep."""
    chosen = set(names)
    with locked_state() as state:
        stopped = [
            name for name, entry in state.items() if (not chosen or name in chosen) and (kept or not entry["keep"])
        ]
        for name in stopped:
            stop(name, state)
    return stopped


@contextlib.contextmanager
def running_services(names: Iterable[str]) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Run servers for the length of a block: yields the environment with them, and why the others are absent."""
    names = set(names)
    if not names:
        yield dict(os.environ), {}
        return
    absent = start_all(names, keep=False)
    try:
        yield {**variables(read_state()), **os.environ}, absent
    finally:
        stop_all(kept=False)


def print_status(absent: Mapping[str, str] = MappingProxyType({})) -> None:
    """Print one line a server; `absent` tells why one could not be started a moment ago."""
    state = read_state()
    for server in SERVERS:
        entry = state.get(server.name)
        if given := os.environ.get(server.variable):
            text = f"{given} (from {server.variable})"
        elif entry and alive(entry):
            what = f"container {entry['container'][:12]}" if entry.get("container") else f"process {entry['pid']}"
            text = f"{HOST}:{entry['port']} ({what}, log {log_file(server).relative_to(ROOT)})"
        elif server.name in absent:
            text = absent[server.name]
        else:
            text = "docker can start it" if server.image and docker_answers() else server.missing() or "not started"
        print(f"{server.name:13} {text}")


def main() -> int:
    """Run one command; exit code 1 where a server that was asked for cannot be had."""
    parser = argparse.ArgumentParser(
        prog="services.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("install", "start", "stop", "status", "env"))
    names, others = (", ".join(one.name for one in several) for several in (SERVERS, NO_SERVERS))
    parser.add_argument("names", nargs="*", metavar="SERVER", help=f"{names}; and to install: {others}")
    arguments = parser.parse_args()
    installed = {one.name for one in NO_SERVERS} if arguments.command == "install" else set()
    if unknown := set(arguments.names) - {server.name for server in SERVERS} - installed:
        parser.error(f"there is no server {min(unknown)!r} in dicom_common.testing.servers")
    if arguments.command == "install":
        wanted = [server for server in SERVERS if not arguments.names or server.name in arguments.names]
        failed = install_all(wanted)
        for one in NO_SERVERS:
            if not arguments.names or one.name in arguments.names:
                failed += install(one.name, one)
        return 1 if failed else 0
    if arguments.command == "start":
        absent = start_all(arguments.names or [server.name for server in SERVERS], keep=True)
        print_status(absent)
        return 1 if set(absent) & set(arguments.names) else 0
    if arguments.command == "stop":
        print("\n".join(f"{name} stopped" for name in stop_all(arguments.names, kept=True)) or "nothing runs")
    elif arguments.command == "status":
        print_status()
    else:
        for name, value in variables(read_state()).items():
            print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
