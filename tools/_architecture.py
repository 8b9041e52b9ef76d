"""The picture of the packages: drawn from what their metadata say they require."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from _workspace import PREFIX, Package, requirement_name

WIDTH, HEIGHT, GAP, RISE, MOST = 150, 46, 14, 74, 8
"""A box, the space beside it, the distance from row to row, and how many boxes a row has."""
LONGEST = 28
"""How many characters of the small print a box has room for."""
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1c2733 }
  .needs { font-size: 9px; fill: #5b6b7a }
  rect { fill: #eef3f8; stroke: #7b93ab }
  .api rect { fill: #dcebd7; stroke: #6c9a5d }
  .plugin rect { fill: #fdf1dd; stroke: #c79a4b }
  path { fill: none; stroke: #b4c0cb; stroke-width: 1 }
"""


def picture(packages: Sequence[Package]) -> str:
    """Return an SVG: a box for each package, above those that it requires, with what it requires of third parties."""
    names = {package.name for package in packages}
    needs = {
        package.name: {requirement_name(text) for text in package.requirements} & names - {package.name}
        for package in packages
    }
    direct = {name: needs[name] - _reached(needs, needs[name]) for name in needs}
    rows = list(_rows(_levels(needs)))
    places: dict[str, tuple[int, int]] = {}
    for place, row in enumerate(rows):
        margin = GAP + (MOST - len(row)) * (WIDTH + GAP) // 2
        for column, name in enumerate(sorted(row, key=lambda name: (_middle(direct[name], places), name))):
            places[name] = (margin + column * (WIDTH + GAP), GAP + (len(rows) - 1 - place) * RISE)
    by_name = {package.name: package for package in packages}
    boxes = "".join(_box(by_name[name], *places[name]) for name in sorted(places))
    lines = "".join(_line(places[name], places[other]) for name in sorted(direct) for other in sorted(direct[name]))
    width, height = GAP + MOST * (WIDTH + GAP), GAP + len(rows) * RISE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f"<title>The packages of {PREFIX}, each above those that it requires</title><style>{_STYLE}</style>"
        f"{lines}{boxes}</svg>\n"
    )


def _middle(names: Iterable[str], places: Mapping[str, tuple[int, int]]) -> float:
    """Return where the packages that one requires are on the average: it stands best above them."""
    lefts = [places[name][0] for name in names]
    return sum(lefts) / len(lefts) if lefts else 0.0


def _levels(needs: Mapping[str, set[str]]) -> dict[str, int]:
    """Return how far each package is above those that require nothing of ours."""
    levels: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in levels:
            levels[name] = 1 + max(map(level, needs[name]), default=-1)
        return levels[name]

    for name in needs:
        level(name)
    return levels


def _rows(levels: Mapping[str, int]) -> Iterable[list[str]]:
    """Give the rows of boxes, the lowest level first; a level of many boxes takes several."""
    for level in range(max(levels.values()) + 1):
        row = sorted(name for name, its in levels.items() if its == level)
        count = -(-len(row) // MOST)
        size = -(-len(row) // count)
        yield from (row[start : start + size] for start in range(0, len(row), size))


def _reached(needs: Mapping[str, set[str]], names: Iterable[str]) -> set[str]:
    """Return what is required by way of others: a line to it would tell nothing."""
    found: set[str] = set()
    waiting = [other for name in names for other in needs[name]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs[name]
    return found


def _box(package: Package, left: int, top: int) -> str:
    sort = "api" if package.short_name in ("core", "host") else "plugin" if _is_plugin(package) else "library"
    theirs = sorted(name for name in map(requirement_name, package.requirements) if not name.startswith(PREFIX))
    shown = ", ".join(theirs)
    shown = shown if len(shown) <= LONGEST else shown[:LONGEST].rpartition(",")[0] + ", …"
    middle = left + WIDTH // 2
    return (
        f'<g class="{sort}"><title>{escape(str(package.pyproject["project"]["description"]))}</title>'
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{middle}" y="{top + 20}" text-anchor="middle">{escape(package.short_name)}</text>'
        f'<text class="needs" x="{middle}" y="{top + 36}" text-anchor="middle">{escape(shown)}</text></g>'
    )


def _is_plugin(package: Package) -> bool:
    kinds = {group.partition(".")[2] for group in package.entry_points}
    return bool(kinds & {"storage", "db", "cache", "broker", "auth", "keyring", "extension"})


def _line(upper: tuple[int, int], lower: tuple[int, int]) -> str:
    (left, top), (other_left, other_top) = upper, lower
    start, end = (left + WIDTH // 2, top + HEIGHT), (other_left + WIDTH // 2, other_top)
    bend = (end[1] - start[1]) // 2
    curve = f"M{start[0]},{start[1]} C{start[0]},{start[1] + bend} {end[0]},{end[1] - bend} {end[0]},{end[1]}"
    return f'<path d="{curve}"/>'
