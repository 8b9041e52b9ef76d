"""The contract of extensions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, cast
from uuid import UUID

import pluggy
import pytest

from dicom_common.core import AuditEvent, AuditKind, Backend, Extension, Instance, Origin, Stored, hookspecs
from dicom_common.testing._canary import find_canary
from dicom_common.testing._contract import Contract, missing_fixture
from dicom_common.testing._instances import make_instance

__all__ = ["ExtensionContract"]

_CALLED: dict[str, dict[str, Any]] = {
    "dicom_common_accept": {"tenant": "local", "instance": make_instance(), "origin": Origin(source="test")},
    "dicom_common_stored": {"instances": ()},
    "dicom_common_audit": {"events": ()},
    "dicom_common_audit_refusal": {},
}
_OF_INSTANCE = ("study_uid", "series_uid", "sop_uid", "sop_class_uid", "transfer_syntax_uid", "size", "sha256")


class ExtensionContract(Contract):
    """Inherit from it in a class whose name starts with `Test`; give the fixture `open_extension` and set `name`.

    `open_extension` is a callable without arguments that opens the extension; it is called several times in a test.
    Commands that the package registers under `dicom_common.commands` are tested where there are any (with click).
    """

    name: ClassVar[str]
    """The name of its entry point in the group `dicom_common.extension`."""
    command_names: ClassVar[tuple[str, ...]] = ()
    """The names of its entry points in the group `dicom_common.commands`."""
    time_limit: ClassVar[float] = 5.0
    """Seconds that a call may take, after which the host stops waiting for the extension."""

    @pytest.fixture
    def open_extension(self) -> Callable[[], Extension]:
        """Return a callable that opens the extension."""
        opens: Callable[[], Extension] = missing_fixture("open_extension", "a callable that opens the extension")
        return opens

    @pytest.fixture
    def extension(self, open_extension: Callable[[], Extension]) -> Iterator[Extension]:
        """Open the extension of the test."""
        with closing(open_extension()) as extension:
            yield extension

    @pytest.fixture
    def offered_instances(self) -> list[Instance]:
        """Give the instances that `dicom_common_accept` is asked of; a test adds those that its extension refuses."""
        return [make_instance(number, study=number % 3 + 1) for number in range(1, 10)]

    # How it is found

    def test_its_entry_point_offers_it_under_its_name(self) -> None:
        backend = self._registered()
        assert isinstance(backend, Backend), "dicom_common_extension returns a Backend"
        assert backend.name == self.name, "the name of the Backend is that of the entry point"

    def test_its_settings_are_a_frozen_dataclass_of_keywords(self) -> None:
        settings = self._registered().settings
        assert is_dataclass(settings), "settings are a dataclass"
        assert cast("Any", settings).__dataclass_params__.frozen, "settings are frozen"
        assert all(field.kw_only for field in fields(settings)), "settings are keyword-only"

    # Hooks

    def test_it_implements_a_hook_as_it_is_specified(self, extension: Extension) -> None:
        hooks = self._hooks(extension)
        assert hooks.keys() & _CALLED.keys(), f"implement one of {', '.join(_CALLED)}, with the decorator hookimpl"

    def test_it_answers_in_time_and_with_what_is_specified(self, extension: Extension) -> None:
        for name, call in self._hooks(extension).items():
            begin = time.monotonic()
            self._judge(name, call(**_CALLED[name]))
            assert time.monotonic() - begin < self.time_limit, f"{name} takes longer than {self.time_limit:g} s"

    def test_a_reason_holds_nothing_of_the_instance(
        self, extension: Extension, offered_instances: list[Instance]
    ) -> None:
        accept = self._hooks(extension).get("dicom_common_accept")
        if accept is None:
            pytest.skip("it does not implement dicom_common_accept")
        for instance in offered_instances:
            reason = accept(tenant="local", instance=instance, origin=Origin(source="test", ae_title="CANARY"))
            self._judge("dicom_common_accept", reason)

    def test_the_same_instance_has_the_same_answer_in_every_thread(
        self, extension: Extension, offered_instances: list[Instance]
    ) -> None:
        accept = self._hooks(extension).get("dicom_common_accept")
        if accept is None:
            pytest.skip("it does not implement dicom_common_accept")

        def ask(_: int) -> list[object]:
            return [
                accept(tenant="local", instance=instance, origin=Origin(source="test"))
                for instance in offered_instances
            ]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(40)))
        assert answers == [answers[0]] * 40

    def test_it_learns_of_what_is_stored_from_many_threads_at_once_and_twice(self, extension: Extension) -> None:
        stored = self._hooks(extension).get("dicom_common_stored")
        if stored is None:
            pytest.skip("it does not implement dicom_common_stored")
        batches = [[_stored(number + batch * 10) for number in range(10)] for batch in range(20)]
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(lambda batch: stored(instances=batch), [*batches, *batches]):
                self._judge("dicom_common_stored", answer)

    def test_it_records_what_it_is_given_from_many_threads_at_once(self, extension: Extension) -> None:
        audit = self._hooks(extension).get("dicom_common_audit")
        if audit is None:
            pytest.skip("it does not implement dicom_common_audit")
        batches = [[_event(number + batch * 5) for number in range(5)] for batch in range(20)]
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(lambda batch: audit(events=batch), batches):
                self._judge("dicom_common_audit", answer)

    # Commands

    def test_its_commands_have_a_name_and_a_help(self) -> None:
        if not self.command_names:
            pytest.skip("it declares no command_names")
        click = pytest.importorskip("click")
        for name in self.command_names:
            commands = self._loaded("dicom_common.commands", name).dicom_common_commands()
            assert commands, f"the commands of {name!r} are none"
            for command in commands:
                assert isinstance(command, click.Command), "dicom_common_commands returns click commands"
                assert command.name
                assert command.help or command.short_help, f"the command {command.name!r} has no help"

    # Life

    def test_closing_twice_is_closing_once_and_it_can_be_opened_again(
        self, open_extension: Callable[[], Extension]
    ) -> None:
        for _ in range(2):
            extension = open_extension()
            extension.close()
            extension.close()

    def test_two_of_it_can_be_open_at_once(self, open_extension: Callable[[], Extension]) -> None:
        with closing(open_extension()) as first, closing(open_extension()) as second:
            for extension in (first, second):
                for name, call in self._hooks(extension).items():
                    self._judge(name, call(**_CALLED[name]))

    def _hooks(self, extension: Extension) -> dict[str, Callable[..., object]]:
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        manager.register(extension)
        manager.check_pending()
        found: dict[str, Callable[..., object]] = {}
        for caller in manager.get_hookcallers(extension) or ():
            if caller.name in _CALLED:
                found[caller.name] = self._called(caller)
        return found

    def _called(self, caller: pluggy.HookCaller) -> Callable[..., object]:
        is_first = bool(caller.spec and caller.spec.opts.get("firstresult"))

        def call(**arguments: object) -> object:
            answer = caller(**arguments)
            # Of a hook that is for all, pluggy returns a list, without the answers that are None.
            return answer if is_first else (answer or [None])[0]

        return call

    def _judge(self, name: str, answer: object) -> None:
        if name in ("dicom_common_accept", "dicom_common_audit_refusal"):
            assert answer is None or (isinstance(answer, str) and answer.strip()), (
                f"{name} returns None or a reason, not {type(answer).__name__}"
            )
            if isinstance(answer, str):
                assert "\n" not in answer, f"the reason of {name} is one line"
                assert find_canary(answer) is None, f"the reason of {name} holds what the data set or the sender says"
        else:
            assert answer is None, f"{name} returns nothing, not {type(answer).__name__}"

    def _registered(self) -> Backend[Extension]:
        backend: Backend[Extension] = self._loaded("dicom_common.extension", self.name).dicom_common_extension()
        return backend

    def _loaded(self, group: str, name: str) -> Any:
        found: list[EntryPoint] = list(entry_points(group=group, name=name))
        assert len(found) == 1, (
            f"{len(found)} installed entry points {name!r} in the group {group!r}; there is to be one"
        )
        return found[0].load()


def _stored(number: int) -> Stored:
    instance = make_instance(number)
    values = {name: getattr(instance, name) for name in _OF_INSTANCE}
    return Stored(tenant="local", key=f"local/{number}.dcm", **values)


def _event(number: int) -> AuditEvent:
    return AuditEvent(kind=AuditKind.QUERIED, tenant="local", user="tester", id=str(UUID(int=number)))
