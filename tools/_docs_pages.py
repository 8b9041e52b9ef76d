"""The pages of the documentation: the READMEs as they are, what stands in tools/docs, and what is generated."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from _architecture import picture
from _workspace import META, PREFIX, ROOT, Package, all_packages
from settings_tables import MARKED, table

SOURCES = ROOT / "tools" / "docs"
GUIDES = ROOT / "packages" / "dicom-common-testing" / "src" / "dicom_common" / "testing" / "_guide"
"""A page a kind, which `python -m dicom_common.testing guide KIND` prints."""
KINDS = ("storage", "db", "cache", "broker", "auth", "keyring")
_SOURCE_LINK = re.compile(r"\]\((?:\.\./)*(?:packages/)?(dicom-common[a-z0-9-]*)/src/[^)]+\)")


def write_pages(folder: Path) -> dict[str, Any]:
    """Write all pages and the configuration of MkDocs into a folder, and return the configuration."""
    pages = folder / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SOURCES, pages)
    _write(pages / "README.md", _linked((ROOT / "README.md").read_text("utf-8"), depth=0))
    shutil.copy(ROOT / "LICENSE", pages / "LICENSE")
    for package in all_packages():
        here = pages / "packages" / package.name
        readme = (package.folder / "README.md").read_text(encoding="utf-8")
        _write(here / "README.md", _linked(readme, depth=2) + _more(package))
        shutil.copy(package.folder / "CHANGELOG.md", here / "CHANGELOG.md")
        if package.module and not package.is_compiled:
            _write(pages / "api" / f"{package.short_name}.md", _api_page(package))
    shutil.copytree(GUIDES, pages / "guides")
    _write(pages / "settings.md", _settings_page())
    _write(pages / "architecture.svg", picture([package for package in all_packages() if package.module]))
    configuration = _configuration(folder)
    # JSON is YAML: no library is needed to write it.
    _write(folder / "mkdocs.yml", json.dumps(configuration, indent=1))
    return configuration


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _linked(text: str, *, depth: int) -> str:
    """Return a README whose links to source code lead to the API of that package."""
    up = "../" * depth
    return _SOURCE_LINK.sub(lambda match: f"]({up}api/{match[1].removeprefix(f'{PREFIX}-')}.md)", text)


def _more(package: Package) -> str:
    """Return what stands below a README: where the API and the changes are."""
    links = ["[Changes](CHANGELOG.md)"]
    if package.module and not package.is_compiled:
        links.insert(0, f"[API](../../api/{package.short_name}.md)")
    return f"\n---\n\n{' · '.join(links)}\n"


def _api_page(package: Package) -> str:
    description = package.pyproject["project"]["description"]
    readme = f"../packages/{package.name}/README.md"
    parts = [f"# {package.module}", f"{description}. [README]({readme})", f"::: {package.module}"]
    for path in sorted(package.module_folder.glob("*.py")) if package.module_folder else ():
        if not path.stem.startswith("_"):  # a public module beside the package itself
            parts += [f"## {package.module}.{path.stem}", f"::: {package.module}.{path.stem}"]
    return "\n\n".join(parts) + "\n"


def _settings_page() -> str:
    """Return all tables of settings that READMEs have, by package."""
    introduction = (
        "The settings of backends, extensions and front ends, made from the classes that read them. Those of ingests"
        " and workers are in the README of [dicom-common-pipeline](packages/dicom-common-pipeline/README.md#settings),"
        " those of the log in that of [dicom-common-cli](packages/dicom-common-cli/README.md#the-log), the general ones"
        " and the policy in that of [dicom-common-host](packages/dicom-common-host/README.md#configuration)."
        " `dicom-common config explain` shows all that are in effect, and where each was written."
    )
    parts = ["# Settings", introduction]
    for package in all_packages():
        readme = (package.folder / "README.md").read_text(encoding="utf-8")
        classes = [match[2] for match in MARKED.finditer(readme)]
        if classes:
            parts.append(f"## {package.name}")
            parts.append(f"[{package.pyproject['project']['description']}](packages/{package.name}/README.md)")
            for name in classes:
                parts += [f"### `{name}`", table(name).strip()] if len(classes) > 1 else [table(name).strip()]
    return "\n\n".join(parts) + "\n"


def _configuration(folder: Path) -> dict[str, Any]:
    sources = [str(package.folder / "src") for package in all_packages() if package.module]
    python = {
        "paths": sources,
        "options": {
            "docstring_style": "google",
            "docstring_options": {"warn_unknown_params": False, "warn_missing_types": False},
            "show_source": False,
            "show_root_heading": False,
            "show_root_toc_entry": False,
            "show_signature_annotations": True,
            "separate_signature": True,
            "members_order": "alphabetical",
            "filters": ["!^_"],
            "heading_level": 2,
        },
    }
    return {
        "site_name": "dicom-common",
        "site_description": "The common library of DICOM servers",
        "docs_dir": str(folder / "pages"),
        "site_dir": str(folder / "site"),
        "use_directory_urls": False,
        "theme": {
            "name": "material",
            "custom_dir": str(ROOT / "tools" / "docs_theme"),
            "font": False,
            "features": ["navigation.indexes", "navigation.top", "content.code.copy", "search.highlight", "toc.follow"],
        },
        "plugins": [{"search": {"lang": "en"}}, "offline", {"mkdocstrings": {"handlers": {"python": python}}}],
        "markdown_extensions": [
            "admonition",
            "attr_list",
            "tables",
            "pymdownx.superfences",
            {"toc": {"permalink": True}},
        ],
        "extra": {"generator": False},
        "extra_css": ["assets/site.css"],
        "validation": {
            "omitted_files": "warn",
            "absolute_links": "warn",
            "unrecognized_links": "warn",
            "anchors": "warn",
        },
        "nav": _navigation(),
    }


def _navigation() -> list[Any]:
    packages = all_packages()
    plugins = [package for package in packages if package.short_name.partition("-")[0] in KINDS]
    others = [package for package in packages if package not in plugins and package.name != META]
    groups = [
        {kind: [_page(package) for package in plugins if package.short_name.partition("-")[0] == kind]}
        for kind in KINDS
    ]
    changes = [{package.name: f"packages/{package.name}/CHANGELOG.md"} for package in packages]
    api = [
        {str(package.module): f"api/{package.short_name}.md"}
        for package in packages
        if package.module and not package.is_compiled
    ]
    return [
        {"Start": ["README.md", {META: f"packages/{META}/README.md"}]},
        {
            "Concepts": [
                {"Architecture": "concepts/architecture.md"},
                {"The ingest contract": "concepts/ingest-contract.md"},
                {"Tenants": "concepts/tenants.md"},
                {"Events": "concepts/events.md"},
            ]
        },
        {"Packages": [_page(package) for package in others]},
        {"Plugins": groups},
        {"Operations": ["operations.md", {"Settings": "settings.md"}]},
        {
            "Write a backend": [
                "write-a-backend.md",
                *({kind: f"guides/{kind}.md"} for kind in (*KINDS, "extension")),
            ]
        },
        {"API": api},
        {"Changes": changes},
    ]


def _page(package: Package) -> dict[str, str]:
    return {package.short_name: f"packages/{package.name}/README.md"}
