"""What stands below the options in `--help`: examples, and the shape of what is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["below"]


def below(sections: Mapping[str, Sequence[str]]) -> str:
    """Make the epilog of a command: lines below headings, which click does not wrap."""
    paragraphs = ("\n".join(["\b", f"{title}:", *(f"  {line}" for line in lines)]) for title, lines in sections.items())
    return "\n\n".join(paragraphs)
