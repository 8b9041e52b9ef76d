"""Worker processes: they answer, die, hang on nothing, and never outlive whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pipeline_site import Site

from dicom_common.core import ConfigError, DicomCommonError, PublishError
from dicom_common.host import Services
from dicom_common.pipeline import WorkerDiedError, default_jobs
from dicom_common.pipeline._process_pool import ProcessPool, in_order

TASKS = """
import logging, os, signal, sys, time
from dicom_common.core import ConfigError, DicomCommonError, PublishError

def double(services):
    return lambda job: 2 * job

def suicidal(services):
    def do(job):
        if job == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return job
    return do

def leaving(services):
    def do(job):
        if job == 3:
            os._exit(7)
        return job
    return do

def stillborn(services):
    os._exit(9)

def misconfigured(services):
    raise ConfigError("the setting x is wrong")

class Odd(DicomCommonError):
    def __init__(self, first, second):
        super().__init__(first)

def failing(services):
    def do(job):
        time.sleep(0.2 * (job == 2))
        if job == 1:
            raise KeyError("CANARY")
        return job
    return do

def unpicklable(services):
    def do(job):
        raise Odd("one", lambda: None)
    return do

def partial(services):
    def do(job):
        raise PublishError("two of three", (1, 2))
    return do

def unpicklable_answer(services):
    return lambda job: lambda: job

def slow(services):
    def do(job):
        time.sleep(0.3)
        open(f"{job[0]}/{job[1]}", "w").close()
        return job[1]
    return do

def uneven(services):
    def do(job):
        time.sleep(0.5 * (job == 0))
        return job
    return do

def talkative(services):
    def do(job):
        try:
            raise KeyError("CANARY")
        except KeyError:
            logging.getLogger("dicom_common.pipeline").warning("job %d", job, exc_info=True)
        return job
    return do

def misspoken(services):
    def do(job):
        logging.getLogger("dicom_common.pipeline").warning("job %d", "CANARY")
        return (lambda: job) if job == 3 else job
    return do

def process(services):
    return lambda job: os.getpid()
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "pool_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path / "path")
    import pool_tasks  # type: ignore[import-not-found]  # noqa: PLC0415 - it was written just now

    yield pool_tasks
    del sys.modules["pool_tasks"]


def run(site: Site, task: Callable[..., Any], jobs: Any, workers: int = 2) -> list[Any]:
    return list(ProcessPool[Any, Any](site.config(), task, workers).run(jobs))


def test_every_job_is_answered_once(site: Site, tasks: ModuleType) -> None:
    assert sorted(run(site, tasks.double, range(1, 30))) == [(job, 2 * job) for job in range(1, 30)]


def test_no_job_starts_no_process_and_one_job_one(site: Site, tasks: ModuleType) -> None:
    assert run(site, tasks.stillborn, []) == []
    assert run(site, tasks.double, [4], workers=8) == [(4, 8)]


@pytest.mark.kills
@pytest.mark.parametrize("task", ["suicidal", "leaving"])
def test_a_worker_that_dies_costs_its_job_only(site: Site, tasks: ModuleType, task: str) -> None:
    answers = dict(run(site, getattr(tasks, task), range(1, 8)))
    died = answers.pop(3)
    assert isinstance(died, WorkerDiedError)
    assert str(-signal.SIGKILL if task == "suicidal" else 7) in str(died)
    assert answers == {job: job for job in (1, 2, 4, 5, 6, 7)}


def test_workers_that_die_in_their_start_are_told_and_not_started_for_ever(site: Site, tasks: ModuleType) -> None:
    with pytest.raises(WorkerDiedError, match=r"exit code 9.*had not begun"):
        run(site, tasks.stillborn, iter(range(1000)))


def test_an_error_in_the_start_of_a_worker_is_raised_as_it_is(site: Site, tasks: ModuleType) -> None:
    with pytest.raises(ConfigError, match="the setting x is wrong"):
        run(site, tasks.misconfigured, range(1000))


def test_a_job_that_fails_ends_the_run_after_the_answers_of_the_others(site: Site, tasks: ModuleType) -> None:
    answers: list[Any] = []
    with pytest.raises(DicomCommonError, match="KeyError") as raised:
        answers.extend(ProcessPool[int, int](site.config(), tasks.failing, 2).run([2, 1, 3, 4, 5]))
    assert "CANARY" not in str(raised.value)
    assert (2, 2) in answers


def test_errors_and_answers_that_cannot_be_pickled_are_told(site: Site, tasks: ModuleType) -> None:
    for task in (tasks.unpicklable, tasks.unpicklable_answer):
        with pytest.raises(DicomCommonError, match="worker process failed"):
            run(site, task, [1])


def test_an_error_with_fields_keeps_them(site: Site, tasks: ModuleType) -> None:
    with pytest.raises(PublishError) as raised:
        run(site, tasks.partial, [1])
    assert raised.value.failed == (1, 2)


def test_jobs_that_end_with_an_error_are_answered_first(site: Site, tasks: ModuleType) -> None:
    def jobs() -> Iterator[int]:
        yield from range(1, 6)
        raise FileNotFoundError("a folder")

    answers: list[Any] = []
    with pytest.raises(FileNotFoundError):
        answers.extend(ProcessPool[int, int](site.config(), tasks.double, 2).run(jobs()))
    assert sorted(answers) == [(job, 2 * job) for job in range(1, 6)]


def test_a_run_that_is_closed_early_ends_its_workers(site: Site, tasks: ModuleType) -> None:
    run = ProcessPool[int, int](site.config(), tasks.process, 2).run(iter(range(1000)))
    processes = {next(run)[1] for _ in range(6)}
    run.close()
    for process in processes:
        assert isinstance(process, int)
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_answers_come_in_the_order_of_the_jobs_and_do_not_pile_up(site: Site, tasks: ModuleType) -> None:
    handed_out = []

    def jobs() -> Iterator[int]:
        for job in range(60):
            handed_out.append(job)
            yield job

    answers = in_order(site.config(), site.services(), tasks.uneven, jobs(), 2)
    assert next(answers) == (0, 0)
    assert len(handed_out) < 20
    assert list(answers) == [(job, job) for job in range(1, 60)]


def test_one_worker_is_this_process(site: Site, tasks: ModuleType) -> None:
    services = site.services()
    for jobs, workers in ((range(3), 1), (range(1), 4)):
        answers = list(in_order(site.config(), services, tasks.process, jobs, workers))
        assert {answer for _, answer in answers} == {os.getpid()}


def test_default_jobs_is_a_sensible_number() -> None:
    assert 1 <= default_jobs() <= 8


_PARENT = """
import sys
import pool_tasks
from pathlib import Path
from dicom_common.host import Config
from dicom_common.pipeline._process_pool import ProcessPool
folder = Path(sys.argv[2])
config = Config.load(overrides={"data": sys.argv[1]}, variables={})
try:
    for job, answer in ProcessPool(config, pool_tasks.slow, 2).run((str(folder), n) for n in range(10_000)):
        print(answer, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def start_parent(site: Site, folder: Path) -> subprocess.Popen[str]:
    folder.mkdir()
    command = [sys.executable, "-c", _PARENT, str(site.data), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(folder.parent / "path")}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def assert_session_ends(session: int) -> None:
    for _ in range(1200):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("worker processes live on")


@pytest.mark.kills
@pytest.mark.usefixtures("tasks")
def test_ctrl_c_answers_what_is_being_done_and_leaves_no_process(site: Site, tmp_path: Path) -> None:
    parent = start_parent(site, tmp_path / "done")
    assert parent.stdout is not None
    first = parent.stdout.readline()
    time.sleep(0.1)  # it waits for the next answer by now
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: to every process
    output = parent.stdout.read()  # `communicate` would leave out what `readline` has read ahead
    _, errors = parent.communicate(timeout=60)
    answered = (first + output).splitlines()
    assert answered[-1] == "interrupted"
    assert errors == ""
    assert sorted(answered[:-1]) == sorted(path.name for path in (tmp_path / "done").iterdir())
    assert_session_ends(parent.pid)


@pytest.mark.kills
@pytest.mark.usefixtures("tasks")
def test_ctrl_c_while_workers_start_ends_at_once_and_quietly(site: Site, tmp_path: Path) -> None:
    parent = start_parent(site, tmp_path / "done")
    for _ in range(3000):  # until it waits for its two workers
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        if len(children) >= 2:
            break
        time.sleep(0.02)
    os.killpg(parent.pid, signal.SIGINT)
    output, errors = parent.communicate(timeout=60)
    assert output == "interrupted\n"
    assert errors == ""
    assert_session_ends(parent.pid)


@pytest.mark.kills
@pytest.mark.usefixtures("tasks")
def test_workers_end_when_their_parent_is_killed(site: Site, tmp_path: Path) -> None:
    parent = start_parent(site, tmp_path / "done")
    assert parent.stdout is not None
    parent.stdout.readline()
    parent.kill()
    parent.communicate(timeout=60)
    assert_session_ends(parent.pid)


def test_workers_have_services_of_their_own(site: Site, tasks: ModuleType) -> None:
    with Services(site.config()) as services:
        assert len(list(in_order(site.config(), services, tasks.double, range(5), 2))) == 5


def test_what_a_worker_logs_is_logged_by_the_parent(
    site: Site, tasks: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    run(site, tasks.talkative, range(4))

    logged = sorted((record.name, record.levelname, record.getMessage()) for record in caplog.records)
    assert logged == [("dicom_common.pipeline", "WARNING", f"job {job} (KeyError)") for job in range(4)]


def test_a_record_that_cannot_be_shown_fails_no_job_and_is_told_even_where_the_answer_is_lost(
    site: Site, tasks: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DicomCommonError, match="please report it"):  # a function cannot be sent
        run(site, tasks.misspoken, range(4))
    assert len(caplog.messages) == 4
    assert all("cannot be shown" in message and "CANARY" not in message for message in caplog.messages)
