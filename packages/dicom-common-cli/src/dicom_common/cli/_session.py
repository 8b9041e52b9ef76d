"""What the commands of one call share: the configuration and the open backends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from dicom_common.cli._auditing import Deed, auditing
from dicom_common.cli._errors import CommandError
from dicom_common.cli._logging import LogSettings, log_as_configured
from dicom_common.cli._streams import only_results
from dicom_common.core import AuditKind, uuid7, validate_tenant
from dicom_common.host import KINDS, Config, Services

__all__ = ["Session", "pass_session"]


@dataclass(kw_only=True)
class Session:
    """The global options of a call, and what follows from them. Extensions get it by `pass_session`."""

    file: Path | None = None
    data: Path | None = None
    tenant_name: str | None = None
    verbose: bool = False
    request_id: str = field(default_factory=lambda: str(uuid7()))
    """Names this call in the audit trail."""

    def load(self, overrides: Mapping[str, str] | None = None) -> Config:
        """Read the configuration, with the global options and these settings above it.

        Raises:
            ConfigError: it is wrong.
        """
        options = {"data": self.data and str(self.data), "tenant": self.tenant_name}
        given = {key: value for key, value in options.items() if value is not None}
        return Config.load(self.file, overrides={**given, **(overrides or {})})

    @cached_property
    def config(self) -> Config:
        """The configuration."""
        return self.load()

    def override(self, overrides: Mapping[str, str]) -> None:
        """Read the configuration again, with settings above it that an option of the command gives.

        Raises:
            ConfigError: it is wrong.
        """
        if overrides:
            self.config = self.load(overrides)

    def use_file(self, file: Path) -> None:
        """Read another configuration, which a command was given by an option of its own. Before anything is opened.

        Raises:
            ConfigError: it is wrong.
        """
        self.file = file
        self.config = self.load()
        log_as_configured(self.config.section("log", LogSettings), verbose=self.verbose)

    @cached_property
    def services(self) -> Services:
        """The backends, each of which is opened, and made where it is not there, when it is first used."""
        return Services(self.config)

    @property
    def existing(self) -> Services:
        """The same, for a command that has nothing to do where nothing was ever stored.

        Raises:
            CommandError: only the embedded set is in use, and its data folder is not there.
        """
        config = self.config
        embedded = config.file is None and not any("backend" in config.table(kind) for kind in KINDS)
        if embedded and not config.general.data.is_dir():
            raise CommandError(
                f"There is no data folder {config.general.data}: name one with --data, or a file with --config."
            )
        return self.services

    def tenant(self, given: str | None = None) -> str:
        """Return the tenant that a command works for: the one that was given to it, else that of the configuration.

        Raises:
            ConfigError: it is not a tenant id.
        """
        return self.config.general.tenant if given is None else validate_tenant(given)

    def auditing(self, kind: AuditKind, tenant: str | None = None, **details: Any) -> AbstractContextManager[Deed]:
        """Do something that the audit trail has to know: how it ended is recorded behind the block.

        Args:
            kind: what it is.
            tenant: whose data; None for those of all.
            details: what else is worth knowing, such as the command; nothing of a patient.

        Raises:
            CommandError: it could not be recorded, and has to be; nothing was done.
        """
        self.open_extensions()
        return auditing(self.services, kind, tenant=tenant, request_id=self.request_id, **details)

    def open_extensions(self) -> None:
        """Open the enabled extensions now. What they print meanwhile goes to stderr: stdout is for results.

        Raises:
            DicomCommonError: one of them cannot be opened.
        """
        if self.config.general.extensions:
            with only_results():
                _ = self.services.extensions

    def abandon(self) -> None:
        """Leave the open backends to the end of the process: a thread hangs in one of them."""
        self.__dict__.pop("services", None)

    def close(self) -> None:
        """Close what was opened."""
        if "services" in self.__dict__:
            self.services.close()


pass_session = click.make_pass_decorator(Session)
"""Gives the `Session` to a command as its first argument."""
