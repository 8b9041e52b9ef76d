"""The JSON schemas of the messages, for those who write a consumer or check what comes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal

__all__ = ["TopicKind", "message_schema"]

TopicKind = Literal["storage", "log", "state", "image", "access"]
"""The topics, as the table `[topics]` calls them."""


def message_schema(kind: TopicKind) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the messages of a topic.

    Its `schemaVersion` is what the header `schema-version` of each message says. A version never changes: fields are
    added, removed or given another meaning only with another one.

    Args:
        kind: the topic's key in the table `[topics]`, whatever the topic is called there.
    """
    text = (files("dicom_common.pipeline") / "schemas" / f"{kind}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
