"""The blocks of code of a page of the documentation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks", "shell_lines"]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>[a-z]*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block, where it stands, and what stands in the comment before it, such as `service: postgres`."""

    place: str
    language: str
    title: str
    code: str
    mark: str

    @property
    def is_shell(self) -> bool:
        """READMEs leave the language of commands out."""
        return self.language in ("", "sh")


def blocks(page: Path, name: str) -> Iterator[Block]:
    """Iterate over the blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        yield Block(
            place=f"{name}:{text[: match.start()].count(chr(10)) + 1}",
            language=match["language"],
            title=match["title"] or "",
            code=textwrap.dedent(match["code"]),
            mark=match["mark"] or "",
        )


def shell_lines(code: str) -> list[str]:
    """Return the commands of a block: without comments, the lines of a continued one joined."""
    joined = code.replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]
