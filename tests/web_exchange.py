"""Requests to a DICOMweb server as bytes, and what differs between the answers of two servers."""

from __future__ import annotations

import io
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pydicom
from PIL import Image

__all__ = ["Answer", "Difference", "ask", "difference", "multipart", "parts"]

_PAD = "\0 "
_BOUNDARY = "a-boundary-that-no-file-has"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        message = Message()
        message["content-type"] = self.headers.get("content-type", "")
        kind = message.get_content_type() if message["content-type"] else ""
        of = str(message.get_param("type")).partition(";")[0]
        return f"{kind} of {of}" if kind == "multipart/related" else kind


class Difference(NamedTuple):
    """One thing in which two answers differ."""

    what: str
    ours: str
    theirs: str


def ask(port: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def multipart(instances: Iterable[bytes]) -> tuple[bytes, dict[str, str]]:
    """Return the body of a store request, and its headers."""
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + one + b"\r\n" for one in instances) + f"--{_BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    return body, {"Content-Type": kind, "Accept": "application/dicom+json"}


def parts(answer: Answer) -> list[bytes]:
    """Return what an answer of one or several parts holds."""
    message = Message()
    message["content-type"] = answer.headers.get("content-type", "")
    if message.get_content_type() != "multipart/related":
        return [answer.body]
    pieces = re.split(rb"(?:\r\n)?--" + re.escape(str(message.get_param("boundary")).encode()), answer.body)[1:-1]
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces]


def difference(ours: Answer, theirs: Answer, *, whatever_status: bool = False) -> Iterator[Difference]:
    """Say in what two answers differ: the status, and where both succeed (or in any case), what they hold."""
    if ours.status != theirs.status:
        yield Difference("status", str(ours.status), str(theirs.status))
    if not (whatever_status or (ours.status < 300 and theirs.status < 300)):
        return
    if ours.media_type != theirs.media_type and ours.body and theirs.body:
        yield Difference("media type", ours.media_type, theirs.media_type)
        return
    if ours.media_type == "application/dicom+json":
        yield from _documents(ours, theirs)
        return
    mine, other = parts(ours), parts(theirs)
    if len(mine) != len(other):
        yield Difference("parts", str(len(mine)), str(len(other)))
    elif ours.media_type.startswith("image/"):
        yield from _one("picture", _picture(ours.body), _picture(theirs.body))
    elif ours.media_type.endswith("application/dicom"):
        yield from _files(mine, other)
    elif mine != other and not ours.media_type.endswith("xml"):
        yield Difference("bytes", *(" ".join(str(len(one)) for one in several) for several in (mine, other)))


def _one(what: str, ours: object, theirs: object) -> Iterator[Difference]:
    if ours != theirs:
        yield Difference(what, str(ours), str(theirs))


def _documents(ours: Answer, theirs: Answer) -> Iterator[Difference]:
    """Compare objects of DICOM JSON; those of an array by their UIDs, whatever their order."""
    mine, other = (json.loads(one.body or b"[]") for one in (ours, theirs))
    if isinstance(mine, dict):
        yield from _objects("", mine, other)
        return
    first, second = ({_identity(item): item for item in items} for items in (mine, other))
    if len(mine) != len(other) or set(first) != set(second):
        yield Difference("matches", _names(first), _names(second))
    for uid in sorted(set(first) & set(second)):
        yield from _objects("", first[uid], second[uid])


def _identity(item: Mapping[str, Any]) -> str:
    """Return the UID of the lowest level that an object has."""
    tags = (tag for tag in ("00080018", "0020000E", "0020000D") if "Value" in item.get(tag, {}))
    return str(item[next(tags)]["Value"][0])


def _names(items: Iterable[str]) -> str:
    return ", ".join(sorted(items)) or "none"


def _objects(place: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    for tag in sorted({*ours, *theirs}):
        what = f"{place}{tag}"
        mine, other = ours.get(tag), theirs.get(tag)
        if mine is None or other is None:
            yield Difference(what, *("absent" if one is None else "there" for one in (mine, other)))
        elif mine["vr"] != other["vr"]:
            yield Difference(what, f"VR {mine['vr']}", f"VR {other['vr']}")
        elif mine["vr"] == "SQ":
            items, others = mine.get("Value"), other.get("Value")
            if items is None or others is None or len(items) != len(others):
                yield from _one(what, *("absent" if one is None else f"{len(one)} items" for one in (items, others)))
                continue
            for item, another in zip(items, others, strict=True):
                yield from _objects(f"{what}.", item, another)
        else:
            yield from _one(what, _told(mine), _told(other))


def _told(element: Mapping[str, Any]) -> str:
    """Return the value of an element as it is compared: without padding and trailing carets, numbers in one form."""
    if "BulkDataURI" in element or "InlineBinary" in element:
        return "BulkDataURI" if "BulkDataURI" in element else "InlineBinary"
    value = element.get("Value")
    if element["vr"] == "UR" and value:
        return re.sub(r"http://127\.0\.0\.1:\d+", "", str(value[0])).rstrip("/")
    if element["vr"] == "PN" and value:
        value = [one and {group: name.rstrip("^ ") for group, name in one.items()} for one in value]
    elif value:
        value = [_plain(one, element["vr"]) for one in value]
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _plain(value: object, vr: str) -> object:
    if isinstance(value, str):
        return value.rstrip(_PAD)
    if isinstance(value, float):
        single = struct.unpack("<f", struct.pack("<f", value))[0] if vr == "FL" else value
        return int(single) if single == int(single) else single
    return value


def _picture(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as picture:
        return f"{picture.width} x {picture.height} {picture.format}"


def _files(ours: list[bytes], theirs: list[bytes]) -> Iterator[Difference]:
    """Compare the data sets of DICOM files, and their transfer syntaxes."""
    mine, other = (
        {str(one.SOPInstanceUID): one for one in (pydicom.dcmread(io.BytesIO(data), force=True) for data in several)}
        for several in (ours, theirs)
    )
    if set(mine) != set(other):
        yield Difference("instances", _names(mine), _names(other))
    for uid in sorted(set(mine) & set(other)):
        first, second = mine[uid], other[uid]
        syntaxes = [str(one.file_meta.get("TransferSyntaxUID", "none")) for one in (first, second)]
        yield from _one("transfer syntax", *syntaxes)
        for tag in sorted({*first.keys(), *second.keys()}):
            if tag not in first or tag not in second:
                yield Difference(f"{tag:08X}", *("there" if tag in one else "absent" for one in (first, second)))
            elif syntaxes[0] == syntaxes[1] and first[tag] != second[tag]:
                yield Difference(f"{tag:08X}", "a value", "another")
