"""Write the tables of settings in the READMEs from the settings dataclasses; `--check` only compares.

A README names the class whose fields are its table, by the module that offers it:

    <!-- settings: dicom_common.db.sqlite.Settings -->
    (the table)
    <!-- end of settings -->

The classes are read, not imported: no SDK has to be installed. A field's meaning is the text behind it.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = Path(__file__).resolve().parent.parent / "packages"
MARKED = re.compile(r"(<!-- settings: ([\w.]+) -->\n)(.*?)(<!-- end of settings -->)", re.DOTALL)


NAMES = {"MIB": 1 << 20, "MAX_LEASE": 3600.0, "_MOST_SECONDS": 86400}
"""Constants that defaults and limits are made of."""


class Field(NamedTuple):
    """A field of a settings dataclass, as it is written."""

    name: str
    kind: ast.expr
    default: ast.expr | None
    meaning: str


def folder_of(module: str) -> Path:
    """Return the folder of a package by the name that it is imported by."""
    (folder,) = PACKAGES.glob(f"*/src/{module.replace('.', '/')}")
    return folder


def class_of(folder: Path, name: str) -> ast.ClassDef:
    """Return the definition of a class that one of the modules of a package has."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
    raise LookupError(f"There is no class {name} in {folder}.")


def base_of(folder: Path, name: str) -> dict[str, Field]:
    """Return the fields of a class that a module of a package imports from another package."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
                return fields_of(str(node.module), name)
    return {}


def fields_of(module: str, name: str) -> dict[str, Field]:
    """Return the fields of a class by their names: its own first, then those that it inherits."""
    folder = folder_of(module)
    node = class_of(folder, name)
    own: dict[str, Field] = {}
    for place, part in enumerate(node.body):
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            behind = node.body[place + 1] if place + 1 < len(node.body) else None
            is_text = isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)
            meaning = " ".join(str(behind.value.value).split()) if is_text else ""  # type: ignore[union-attr]  # checked
            own[part.target.id] = Field(part.target.id, part.annotation, part.value, meaning)
    inherited: dict[str, Field] = {}
    for base in node.bases:
        inherited |= base_of(folder, ast.unparse(base))
    return own | {known: field for known, field in inherited.items() if known not in own}


def limits_of(kind: ast.expr) -> str:
    """Return the limits of a field as a sentence, in the words of the host; empty where it has none."""
    for node in ast.walk(kind):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Limits":
            given = dict(zip(("least", "most", "above"), map(number_of, node.args), strict=False))
            given |= {str(word.arg): number_of(word.value) for word in node.keywords}
            low = f"Above {shown(given['above'])}" if "above" in given else shown(given["least"])
            if "most" not in given:
                return f"{low} or more." if "least" in given else f"{low}."
            return (
                f"{low} to {shown(given['most'])}." if "least" in given else f"{low}, at most {shown(given['most'])}."
            )
    return ""


def shown(number: float) -> str:
    """Return a number with its thousands apart."""
    return f"{int(number):,}" if number == int(number) else str(number)


def number_of(node: ast.expr) -> float:
    """Return a number that a limit is."""
    return float(value_of(node))


def value_of(node: ast.expr) -> Any:
    """Return the value of literals, tuples of them, known constants, and products and shifts of these."""
    match node:
        case ast.Name(id):
            return NAMES[id]
        case ast.BinOp(left, ast.Mult(), right):
            return value_of(left) * value_of(right)
        case ast.BinOp(left, ast.LShift(), right):
            return value_of(left) << value_of(right)
        case _:
            return ast.literal_eval(node)


def default_of(field: Field) -> str:
    """Return the cell of a default."""
    if field.default is None:
        return "required"
    text = ast.unparse(field.default)
    if text in ("None", "''", "Secret('')", "()", "field(default_factory=dict)"):
        return "none"
    if "default_factory" in text:
        return f"the table `{field.name}`"
    if match := re.fullmatch(r"Path\('(.*)'\)", text):
        return f'`"{match[1]}"`'
    value = value_of(field.default)
    if field.name.endswith("_mode") and isinstance(value, int):
        return f"`{value:#o}`"
    return f"`{toml(value)}`"


def toml(value: object) -> str:
    """Write a value as the configuration has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def table(name: str) -> str:
    """Return the table of a class, which is named with its package."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for field in fields_of(*name.rsplit(".", 1)).values():
        meaning = " ".join(filter(None, (field.meaning, limits_of(field.kind)))).replace("|", "\\|")
        if not meaning:
            raise LookupError(f"{name}.{field.name} has no text behind it that says what it means.")
        lines.append(f"| `{field.name}` | {default_of(field)} | {meaning} |")
    return "\n" + "\n".join(lines) + "\n\n"


def written(text: str) -> str:
    """Return a README with its tables as they should be."""
    return MARKED.sub(lambda match: f"{match[1]}{table(match[2])}{match[4]}", text)


def main() -> int:
    """Write or compare all READMEs; 1 where one differed."""
    differing = []
    for readme in sorted(PACKAGES.glob("*/README.md")):
        text = readme.read_text(encoding="utf-8")
        if (right := written(text)) != text:
            differing.append(readme.parent.name)
            if "--check" not in sys.argv:
                readme.write_text(right, encoding="utf-8")
    print(f"differing: {', '.join(differing) or 'none'}")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
