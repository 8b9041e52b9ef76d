"""`conformance`: the DICOM Conformance Statement, from the tables by which the code works."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from pathlib import Path

import click

from dicom_common.cli._errors import CommandError
from dicom_common.cli._help import below
from dicom_common.cli._output import print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import DicomCommonError
from dicom_common.host import CONFORMANCE, Config
from dicom_common.toolkit import StatementSection, StatementTable

__all__ = ["conformance"]

_TITLE = "DICOM Conformance Statement"
_OVERVIEW = (
    "This statement (PS3.2) describes the installed packages in their current configuration. Each package writes its"
    " own section from the tables that its code uses."
)


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common conformance > conformance.md",
                "dicom-common --config site.toml conformance --output conformance.md",
                "dicom-common conformance --json | jq '.sections[].title'",
            ],
            "With --json, one document": [
                '{"title", "versions": {PACKAGE: VERSION}, "sections":',
                ' [{"place", "title", "text", "tables": [{"title", "columns", "rows"}]}]}',
            ],
        }
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of Markdown.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the statement to a file."
)
@pass_session
def conformance(session: Session, *, as_json: bool, output: Path | None) -> None:
    """Print the DICOM Conformance Statement (PS3.2).

    The installed packages describe themselves, with the settings in effect: SOP classes and resources, transfer
    syntaxes, parameters, statuses, limits, character sets, security.
    """
    versions, sections = _collected(session.config)
    if as_json:
        document = {"title": _TITLE, "versions": versions, "sections": [dataclasses.asdict(one) for one in sections]}
        text = json.dumps(document, indent=2)
    else:
        text = _markdown(versions, sections)
    if output is None:
        for line in text.splitlines():
            print_line(line)
    else:
        try:
            output.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"{output} cannot be written ({error.strerror}): name another file with --output."
            ) from error


def _collected(config: Config) -> tuple[dict[str, str], list[StatementSection]]:
    """Collect the section of every package, and the versions of the packages."""
    versions, sections = {}, []
    for entry in entry_points(group=f"dicom_common.{CONFORMANCE}"):
        sections.append(_written(entry, config))
        if entry.dist is not None:
            versions[entry.dist.name] = version(entry.dist.name)
    return dict(sorted(versions.items())), sorted(sections, key=lambda one: (one.place, one.title))


def _written(entry: EntryPoint, config: Config) -> StatementSection:
    """Get the section of a package. An error ends the command: without the section the statement would be incomplete.

    Raises:
        CommandError: the package fails to write its section.
    """
    try:
        section = entry.load()(config)
    except DicomCommonError:
        raise
    except Exception as error:
        whose = entry.dist.name if entry.dist is not None else entry.value
        raise CommandError(
            f"The package {whose} cannot write its section of the statement ({type(error).__name__}): upgrade it."
        ) from error
    if not isinstance(section, StatementSection):
        raise CommandError(f"{entry.value} did not return a section of the statement: upgrade its package.")
    return section


def _markdown(versions: dict[str, str], sections: Sequence[StatementSection]) -> str:
    products = StatementTable(title="Products", columns=("Package", "Version"), rows=tuple(versions.items()))
    overview = StatementSection(place=10, title="Overview", text=_OVERVIEW, tables=(products,))
    blocks = [f"# {_TITLE}"]
    for number, section in enumerate((overview, *sections), 1):
        blocks.append(f"## {number} {section.title}")
        if section.text:
            blocks.append(section.text)
        for letter, table in enumerate(section.tables, 1):
            blocks += [f"### {number}.{letter} {table.title}", _table(table)]
    return "\n\n".join(blocks)


def _table(table: StatementTable) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
