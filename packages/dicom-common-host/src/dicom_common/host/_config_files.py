"""Reading the files of a configuration: regular files of UTF-8 text, and never somebody else's by accident."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dicom_common.core import ConfigError

__all__ = ["NotRegularError", "is_there", "read_config_file", "read_regular"]

_CHUNK = 1 << 16


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


class NotRegularError(OSError):
    """A file is a pipe, a socket or a device."""


def read_regular(file: Path, judge: Callable[[os.stat_result], None] | None = None) -> bytes:
    """Return the content of a file, which `judge` may refuse by its status before it is read.

    Raises:
        NotRegularError: it is a pipe or a device; it is not waited for.
        OSError: it cannot be read.
    """
    # Not blocking: opening a named pipe would wait for its writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError(errno.EINVAL, "it is a pipe or a device, not a regular file")
        if judge is not None:
            judge(status)
        return b"".join(iter(lambda: os.read(descriptor, _CHUNK), b""))
    finally:
        os.close(descriptor)


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
