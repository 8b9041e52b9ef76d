"""The limits of every backend's settings: what is written beyond them is refused by name, the ends are taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from dicom_common.core import ConfigError, Limits
from dicom_common.host import KINDS, Config, Plugins, installed_plugins
from dicom_common.host._limits import is_within, limits_text

NEEDED: dict[str, dict[str, Any]] = {
    "s3": {"bucket": "images"},
    "gcs": {"bucket": "images"},
    "azure": {"container": "images", "account": "site"},
    "encrypted": {"storage": "plain"},
    "jose": {"issuers": [{"issuer": "https://idp.example", "audiences": ["pacs"]}]},
}
"""What the settings of a backend need beside their defaults."""


def limits_of(kind: Any) -> list[Limits]:
    metadata = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return [one for one in metadata if isinstance(one, Limits)]


def limited() -> Iterator[tuple[str, str, str, type[Any], Limits]]:
    plugins = Plugins()
    for plugin in installed_plugins():
        if plugin.kind in KINDS and (plugin.distribution or "").startswith("dicom-common-"):
            settings = plugins.backend(plugin.kind, plugin.name).settings
            for name, kind in get_type_hints(settings, include_extras=True).items():
                number = int if get_args(kind)[:1] == (int,) else float
                yield from ((plugin.kind, plugin.name, name, number, limits) for limits in limits_of(kind))


def configured(tmp_path: Path, kind: str, plugin: str, name: str, value: float) -> float:
    written = {f"{kind}.{key}": each for key, each in {**NEEDED.get(plugin, {}), name: value}.items()}
    config = Config.load(overrides={"data": str(tmp_path), f"{kind}.backend": plugin, **written}, variables={})
    found: float = getattr(config.section(kind, Plugins().backend(kind, plugin).settings), name)
    return found


def test_every_limit_holds_at_both_ends(tmp_path: Path) -> None:
    seen = 0
    for kind, plugin, name, number, limits in limited():
        seen += 1
        step = 1 if number is int else 0.01
        for end, outwards in ((limits.least, -1), (limits.most, 1)):
            if end is not None:
                if (name, end) != ("drop_unacknowledged_days", 0):  # less than keep_days, which has its own message
                    assert configured(tmp_path, kind, plugin, name, number(end)) == end
                with pytest.raises(ConfigError, match=rf"{kind}\.{name} is .*: give "):
                    configured(tmp_path, kind, plugin, name, number(end + outwards * step))
        if limits.above is not None:
            with pytest.raises(ConfigError, match=rf"{kind}\.{name} is .*: give above"):
                configured(tmp_path, kind, plugin, name, number(limits.above))
            assert configured(tmp_path, kind, plugin, name, number(limits.above + step)) > limits.above
    assert seen > 40


def test_no_backend_drops_a_limit_that_it_inherits() -> None:
    plugins, seen = Plugins(), set()
    for plugin in installed_plugins(*KINDS):
        settings = plugins.backend(plugin.kind, plugin.name).settings
        kinds = get_type_hints(settings, include_extras=True)
        for base in settings.__mro__[1:-1]:
            for name, kind in get_type_hints(base, include_extras=True).items():
                if inherited := limits_of(kind):
                    seen.add(name)
                    assert limits_of(kinds[name]) == inherited, f"{plugin.kind} {plugin.name}: {name}"
    assert "port" in seen


@pytest.mark.parametrize(
    ("limits", "said", "within", "beyond"),
    [
        (Limits(1, 1000), "1 to 1,000", (1, 1000), (0, 1001, math.nan)),
        (Limits(above=0, most=3600), "above 0, at most 3,600", (0.001, 3600), (0, -1, 3600.5, math.nan)),
        (Limits(least=-1), "-1 or more", (-1, 10**9), (-2, -math.inf)),
        (Limits(above=0), "above 0", (1e-9,), (0, math.nan)),
        (Limits(most=60), "at most 60", (-5, 60), (60.1,)),
    ],
)
def test_limits_say_what_they_are(
    limits: Limits, said: str, within: tuple[float, ...], beyond: tuple[float, ...]
) -> None:
    assert limits_text(limits) == said
    assert all(is_within(limits, value) for value in within)
    assert not any(is_within(limits, value) for value in beyond)
