"""Further servers that run in the process of a command: chosen by name, found by entry point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import entry_points
from typing import Any

from dicom_common.cli._session import Session
from dicom_common.core import ConfigError
from dicom_common.host import SERVERS
from dicom_common.toolkit import did_you_mean

__all__ = ["servers_beside"]


@contextmanager
def servers_beside(session: Session, names: Iterable[str], *, setting: str) -> Iterator[None]:
    """Run servers until the block ends; then each stops once its current requests are answered.

    Args:
        session: the command's.
        names: theirs, in the group `dicom_common.servers`.
        setting: that they were named by, for messages.

    Raises:
        ConfigError: there is no such server.
        DicomCommonError: one cannot listen, or its settings are wrong.
    """
    known = {entry.name: entry for entry in entry_points(group=f"dicom_common.{SERVERS}")}
    with ExitStack() as running:
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f" Installed: {', '.join(sorted(known)) or 'none'}."
                raise ConfigError(f"{setting} names {name!r}, but no installed package has such a server.{hint}")
            server: Any = known[name].load()
            begun: AbstractContextManager[None] = server(session)
            running.enter_context(begun)
        yield
