"""The settings of the codecs: how many workers there are, and what one piece of work may take."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["CodecSettings"]

_LEAST_MEMORY = 256 << 20


@dataclass(frozen=True, kw_only=True)
class CodecSettings:
    """The `[codecs]` table of the configuration.

    Raises:
        ValueError: a limit is not positive, or `max_memory` is too little for a worker to start.
    """

    workers: int = 2
    """Worker processes at most. They start when they are needed."""
    waiting: int = 64
    """How many calls may wait for a worker; one more is refused at once."""
    wait_seconds: float = 30.0
    """Seconds that a call may wait for a worker."""
    start_seconds: float = 60.0
    """Seconds that a worker may take to start."""
    tasks_per_worker: int = 1000
    """Frames after which a worker is replaced by a new one."""
    max_seconds: float = 30.0
    """Seconds that one frame may take."""
    max_cpu_seconds: int = 30
    """Seconds of processor time that one frame may take."""
    max_memory: int = 2 << 30
    """Bytes of address space of a worker."""
    max_pixels: int = 1 << 26
    """Rows times Columns of a frame, and width times height of a picture."""
    max_frame_bytes: int = 1 << 28
    """Bytes of one frame, compressed and decoded."""
    verify_encoding: bool = True
    """Whether each frame that was compressed is decoded again and compared with its origin."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "waiting" else 1 if type(value) is int else None
            if least is not None and value < least:
                raise ValueError(f"{field.name} has to be at least {least}")
            if type(value) is float and not 0 < value <= 86_400:  # not a number is no limit either
                raise ValueError(f"{field.name} has to be above 0 and at most 86400 seconds")
        if self.max_memory < _LEAST_MEMORY:
            raise ValueError(f"max_memory has to be at least {_LEAST_MEMORY}: a worker needs that to start")
