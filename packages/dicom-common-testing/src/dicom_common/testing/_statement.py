"""The conformance statement of a backend: the promises that its contract proved, and those that it did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.sax.saxutils import escape

__all__ = ["Outcome", "Statement", "badge_of", "lines_of", "statement_of"]

_WORST_FIRST = ("not kept", "not promised", "skipped", "proven")
_COLOURS = {"not kept": "#b3261e", "not promised": "#8a6d00", "proven": "#2e7d32"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one contract test."""

    contract: str
    """The class that the backend inherits, such as `StorageContract`."""
    test: str
    """Its name; the cases of a test count together."""
    outcome: str
    """`proven`, `not promised`, `skipped`, or `not kept`."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The conformance statement of a backend, for publication."""

    backend: Mapping[str, str]
    """`kind`, `name`, `distribution`, `version`, `server`."""
    kit: Mapping[str, str]
    """`distribution`, `version`, `python`, `date`."""
    contracts: list[str]
    proven: list[str] = field(default_factory=list)
    not_kept: list[dict[str, str]] = field(default_factory=list)
    not_promised: list[dict[str, str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    refused_keys: list[str] = field(default_factory=list)
    """Keys that a storage refuses, of those that the contract writes."""

    def as_dict(self) -> dict[str, Any]:
        """Return the statement as a dictionary for JSON."""
        return asdict(self)


def statement_of(
    outcomes: Iterable[Outcome],
    *,
    backend: Mapping[str, str],
    kit: Mapping[str, str],
    refused_keys: Iterable[str] = (),
) -> Statement:
    """Make a statement. A test with several cases has the worst outcome among them."""
    worst: dict[tuple[str, str], Outcome] = {}
    for one in outcomes:
        key = (one.contract, one.test)
        before = worst.get(key)
        if before is None or _WORST_FIRST.index(one.outcome) < _WORST_FIRST.index(before.outcome):
            worst[key] = one
    contracts = sorted({one.contract for one in worst.values()})
    made = Statement(backend=backend, kit=kit, contracts=contracts, refused_keys=sorted(refused_keys))
    places = {"not kept": made.not_kept, "not promised": made.not_promised, "skipped": made.skipped}
    for _, one in sorted(worst.items()):
        if one.outcome == "proven":
            made.proven.append(one.test)
        else:
            places[one.outcome].append({"test": one.test, "reason": one.reason})
    return made


def lines_of(statement: Statement) -> list[str]:
    """Return a statement as lines of plain text."""
    backend, kit = statement.backend, statement.kit
    lines = [
        f"Conformance statement of the {backend['kind']} backend {backend['name']!r}",
        "",
        f"distribution  {backend['distribution']} {backend['version']}",
        f"server        {backend['server']}",
        f"contracts     {', '.join(statement.contracts)} of {kit['distribution']} {kit['version']}",
        f"run           {kit['date']}, Python {kit['python']}",
        "",
        f"{_counted(statement.proven)} proven:",
        *(f"  {_words(name)}" for name in statement.proven),
    ]
    for title, found in (
        ("NOT KEPT", statement.not_kept),
        ("not promised", statement.not_promised),
        ("not tried", statement.skipped),
    ):
        if found:
            lines += ["", f"{len(found)} {title}:"]
            lines += [f"  {_words(one['test'])}: {one['reason']}" for one in found]
    if statement.refused_keys:
        lines += ["", "Keys that are refused:", *(f"  {key}" for key in statement.refused_keys)]
    return lines


def _counted(proven: list[str]) -> str:
    return "1 promise is" if len(proven) == 1 else f"{len(proven)} promises are"


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def badge_of(statement: Statement) -> str:
    """Return a badge (SVG) with the number of proven promises; its colour shows whether any promise is not kept."""
    left = f"dicom-common {statement.backend['kind']}"
    if statement.not_kept:
        state, right = "not kept", f"{len(statement.not_kept)} not kept"
    elif statement.not_promised or not statement.proven:
        state = "not promised"
        right = f"{len(statement.proven)} proven, {len(statement.not_promised)} not promised"
    else:
        state, right = "proven", f"{len(statement.proven)} proven"
    widths = [round(6.6 * len(text)) + 14 for text in (left, right)]
    whole, middle = sum(widths), widths[0] + widths[1] / 2
    name = escape(f"{left}: {right}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{name}">'
        f"<title>{escape(left)}: {escape(right)}</title>"
        f'<rect width="{whole}" height="20" rx="3" fill="#444"/>'
        f'<path d="M{widths[0]} 0h{widths[1] - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{widths[1] - 3}z"'
        f' fill="{_COLOURS[state]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{widths[0] / 2}" y="14">{escape(left)}</text><text x="{middle}" y="14">{escape(right)}</text>'
        "</g></svg>\n"
    )
