"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import ConfigError

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[storage]` in the configuration.

    Raises:
        ConfigError: a mode is not valid, or would lock the owner out.
    """

    root: Path = Path("objects")
    """The folder of all objects. A relative path is below the data folder."""
    make_root: bool = True
    """Whether the root is made where it is missing. False: its disk is not mounted then, and nothing is written."""
    file_mode: int = 0o600
    """Permission bits of the objects' files, whatever the umask is; 0o640 lets a group read them."""
    folder_mode: int = 0o700
    """Permission bits of the folders that are made, whatever the umask is."""
    fsync: bool = True
    """Whether `write` waits until the disk has the object. False: a power failure loses what was acknowledged."""

    def __post_init__(self) -> None:
        """Refuse modes with which the storage could not work."""
        for name, mode, owner in (("file_mode", self.file_mode, 0o600), ("folder_mode", self.folder_mode, 0o700)):
            if not 0 <= mode <= 0o777 or mode & owner != owner:
                raise ConfigError(
                    f"The setting {name} of the filesystem storage is {mode:#o}: give permission bits up to 0o777 that"
                    f" hold the owner's {owner:#o}."
                )
