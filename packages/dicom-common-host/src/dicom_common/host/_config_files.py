"""Reading the files of a configuration: regular files of UTF-8 text, and never somebody else's by accident."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from dicom_common.core import ConfigError
from dicom_common.toolkit import NotRegularError, read_regular

__all__ = ["is_there", "read_config_file"]


def is_there(file: Path) -> bool:
    """Tell whether anything has this name, a dangling link or a folder too: it must not be passed over in silence.

    Raises:
        ConfigError: the folder of the file cannot be searched.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:
        raise ConfigError(f"{str(file)!r} cannot be the name of a configuration file: it has a NUL in it.") from None
    except OSError as error:
        raise ConfigError(f"Whether there is a {file} cannot be told: {error.strerror}.") from error
    return True


def read_config_file(file: Path, *, is_found: bool) -> str:
    """Return the text of a file.

    Args:
        file: where it is.
        is_found: it lies in the current folder, and the caller did not name it. It is refused then, unless it belongs
            to this user or to root and only they may write it: whoever can plant a file in a folder in which others
            work, such as /tmp, must not configure their commands.

    Raises:
        ConfigError: it is not there, not a regular file, not UTF-8 text, or cannot be read or trusted.
    """
    try:
        content = read_regular(file, partial(_require_own, file) if is_found else None)
    except NotRegularError:
        raise ConfigError(f"The configuration file {file} is a pipe or a device: name a regular file.") from None
    except FileNotFoundError:
        if file.is_symlink():
            raise ConfigError(f"{file} is a link to a file that is not there: mend or remove the link.") from None
        raise ConfigError(f"The configuration file {file} is not there; `dicom-common init` writes one.") from None
    except ValueError:
        raise ConfigError(f"{str(file)!r} cannot be the name of a configuration file: it has a NUL in it.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {file} cannot be read: {error.strerror}.") from error
    try:
        return content.decode("utf-8-sig")  # some editors write a byte order mark
    except UnicodeDecodeError:
        raise ConfigError(f"{file} cannot be read: it is not UTF-8 text.") from None


def _require_own(file: Path, status: os.stat_result) -> None:
    """Refuse a file, or a link to one, that another user made or may change."""
    trusted = (os.geteuid(), 0)
    if status.st_uid not in trusted or file.lstat().st_uid not in trusted:
        why = "belongs to another user"
    elif status.st_mode & stat.S_IWOTH:
        why = "may be written by every user"
    else:
        return
    raise ConfigError(
        f"{file.absolute()} was found in the current folder and {why}, so it is not used: name the configuration with"
        " --config or DICOM_COMMON_CONFIG if you trust it, or work in another folder."
    )
