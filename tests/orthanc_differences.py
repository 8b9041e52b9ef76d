"""In what the DICOMweb service differs from Debian's Orthanc 1.10.1 with DICOMweb 1.7, and what decides each.

A row is one sort of difference: in a request, a tag or an answer `*` stands for anything, and `|` joins tags.
PS3.18 is the edition 2025a.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from web_exchange import Difference

__all__ = ["DIFFERENCES", "VERSION", "Decided"]

VERSION = "1.10.1"


class Decided(NamedTuple):
    """Differences of one sort."""

    request: str
    what: str
    ours: str
    theirs: str
    why: str

    def covers(self, request: str, one: Difference) -> bool:
        pairs = ((self.request, request), (self.ours, one.ours), (self.theirs, one.theirs))
        return any(_fits(what, one.what) for what in self.what.split("|")) and all(_fits(*pair) for pair in pairs)


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None


_UTF_8 = "PS3.18 F.2.2: the text of a JSON answer is UTF-8, and (0008,0005) may say so"
_REQUIRED = "PS3.18 10.6.3.3, tables 10.6.3-3 to -5: required, also without a value"
_COUNTS = "PS3.18 table 10.6.3-3: /series and /instances have the attributes of the study, its counts among them"
_UPPER = "PS3.18 10.6.3.3: below a study of the path the attributes of the study need not be repeated"
_CHOICE = "PS3.18 F.2.6: what is bulk data is the server's choice; ours is what exceeds 1 KiB, and pixel data"
_FRAMES = "PS3.18 F.2.6, 10.4.1.1.6: encapsulated pixel data has a BulkDataURI, too"

_SEARCHES = (
    Decided("*", "00080005", '["ISO_IR 192"]', "*", _UTF_8),
    Decided("*", "00080005", "absent", "there", _UTF_8),
    Decided("*", "00080056", "there", "absent", "PS3.18 table 10.6.3-3: Instance Availability, where it is known"),
    Decided("*", "00080030|00080050|00080090|00100030|00100040|00200010|00200011", "there", "absent", _REQUIRED),
    Decided("*", "00080061|00201206|00201208|00201209", "there", "absent", _COUNTS),
    Decided(
        "*", "00400275", "there", "absent", "PS3.18 table 10.6.3-4: Request Attributes Sequence, where it has a value"
    ),
    Decided(
        "GET /studies/*",
        "00080020|00080030|00080050|00080060|00080090|00100010|00100020|00100030|00100040|00200010|00200011",
        "absent",
        "there",
        _UPPER,
    ),
    Decided("*", "00081030", "there", "absent", "PS3.18 10.6.3.3: more may be returned; lists of studies show it"),
    Decided("*includefield=*", "0008103E|00280002|00280004", "there", "absent", "PS3.18 8.3.4.3: it was asked for"),
    Decided(
        "*includefield=all",
        "00080062|00201200|00201202|00201204",
        "there",
        "absent",
        "PS3.18 10.6.3.3.1: all that the server supports at the level",
    ),
    Decided(
        "GET /studies*includefield=SeriesDescription",
        "0008103E",
        "absent",
        "there",
        "PS3.18 8.3.4.3: an attribute of a level below is not returned",
    ),
    Decided(
        "*PatientName=*", "matches", "2.25.7.*", "none", "PS3.4 C.2.2.2.4: names match whatever their case and accents"
    ),
    Decided(
        "*PatientID=p1", "matches", "none", "2.25.7.1", "PS3.4 C.2.2.2.1: a value of LO is matched case-sensitively"
    ),
    Decided("*PatientID=A%2BB*", "matches", "2.25.7.3", "none", "RFC 3986 2.1: %2B is a plus sign, decoded once"),
    Decided(
        "*SeriesDescription=ax*", "matches", "none", "2.25.7.1.2", "PS3.4 C.2.2.2.4: wildcards of LO are case-sensitive"
    ),
    Decided("*StudyDate=-2026*", "matches", "*", "*2.25.7.4", "PS3.4 C.2.2.2.5: a study without a date is in no range"),
    Decided("*StudyTime=2200-0200", "matches", "2.25.7.1, 2.25.7.2", "none", "PS3.18 8.3.4.1.1: one interval"),
    Decided(
        "*StudyInstanceUID=2.25.7.1%5C*",
        "matches",
        "2.25.7.1, 2.25.7.3",
        "none",
        "PS3.4 C.2.2.2.2: a list of UIDs, joined by a backslash",
    ),
    Decided(
        "GET /series?*",
        "matches",
        "*",
        "*2.25.7.4.1",
        "PS3.18 table 10.6.1-5, PS3.4 C.2.2.2.6: keys in a sequence are required",
    ),
    Decided(
        "*InstanceNumber=1",
        "matches",
        "*2.25.7.2.1.1*",
        "*",
        "PS3.4 C.2.2.2.1 (CP-2305): a number is matched by its value",
    ),
    Decided(
        "*limit=2*", "matches", "*", "*", "PS3.18 8.3.4.4: the order is the server's; ours is the newest study first"
    ),
    Decided("*limit=0", "matches", "none", "*", "PS3.18 8.3.4.4: no more results than the limit"),
    Decided("*limit=-1", "status", "400", "500", "PS3.18 8.3.4.4, 8.5: a wrong parameter is the client's error"),
    Decided("*offset=-1", "status", "400", "500", "PS3.18 8.3.4.4, 8.5: a wrong parameter is the client's error"),
    Decided("*Nonsense=1", "status", "400", "200", "PS3.18 8.3.4.1: an attribute is named by its keyword or tag"),
    Decided("*StudyDate=nonsense", "status", "400", "200", "PS3.4 C.2.2.2.5: a range of dates has dates"),
    Decided(
        "*StudyDate=20260103-20260102", "status", "400", "200", "PS3.4 C.2.2.2.5: a range ends behind its beginning"
    ),
    Decided(
        "*PatientID=P1&PatientID=P2",
        "status",
        "400",
        "200",
        "PS3.18 8.3.4.1: an attribute is given once (our policy: 400)",
    ),
    Decided("GET /studies/not-a-uid/*", "status", "400", "200", "PS3.18 8.2: {study} is a UID"),
    Decided(
        "GET /studies/2.25.7.1/series/2.25.7.1.1", "status", "406", "400", "PS3.18 8.7.8.1: nothing acceptable is a 406"
    ),
)

_RETRIEVALS = (
    Decided("*/metadata*", "00080005", '["ISO_IR 192"]', "*", _UTF_8),
    Decided("*/metadata*", "7FE00010", "there", "absent", _FRAMES),
    Decided("*/metadata*", "*", "InlineBinary", "BulkDataURI", _CHOICE),
    Decided(
        "*/metadata application/json", "media type", "application/json", "*", "PS3.18 10.4.4: asked for by that name"
    ),
    Decided("*", "transfer syntax", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "PS3.18 8.6.2.1: never implicit VR"),
    Decided("*", "transfer syntax", "1.2.840.10008.1.2.1", "none", "PS3.10 7.1: a file has its File Meta Information"),
    Decided("*} application/dicom*", "status", "200", "400", "PS3.18 10.4.4: one instance may go out as a single part"),
    Decided(
        "*/frames/1 application/octet-stream", "status", "200", "400", "PS3.18 8.7.3.3: a single frame as a single part"
    ),
    Decided("*/rendered image/gif", "status", "200", "400", "PS3.18 table 8.7.4-1: GIF is required"),
    Decided("*{rtdose}*/rendered*", "status", "200", "400", "PS3.18 8.7.4: 32 bits are rendered as well"),
    Decided(
        "GET /studies/2.25.7.1/*rendered*", "status", "200", "400", "PS3.18 table 10.3-2: a study and a series have it"
    ),
    Decided("*viewport=32,16*", "picture", "16 x 16 PNG", "32 x 16 PNG", "PS3.18 8.3.5.1.3: the aspect ratio is kept"),
    Decided(
        "*/bulkdata/*", "status", "200", "404", "PS3.18 10.4.1.1.5: it was not named in the metadata (our choice: 200)"
    ),
    Decided("GET /studies/x *", "status", "400", "404", "PS3.18 8.2: {study} is a UID"),
    Decided("*/frames/999*", "status", "404", "400", "PS3.18 8.5: the list is well formed, the frame is not there"),
    Decided("*/frames/1,2 *", "status", "404", "400", "PS3.18 8.5: the list is well formed, the frame is not there"),
    Decided("*2.25.7.1.1.2/frames/1 *", "status", "404", "500", "PS3.18 8.5: there are no frames"),
    Decided("*2.25.7.1.1.2/rendered *", "status", "404", "400", "PS3.18 8.5: there is no picture"),
    Decided("* text/plain", "status", "406", "400", "PS3.18 8.7.8.1: nothing acceptable is a 406"),
    Decided("* application/dicom", "status", "406", "400", "PS3.18 10.4.4: a study is no single part"),
    Decided("*transfer-syntax=1.2.3", "status", "406", "400", "PS3.18 8.7.8.1: nothing acceptable is a 406"),
)

_BULK_DATA = (
    Decided("*/7FE00010", "URI", "there", "absent", _FRAMES),
    Decided("*", "URI", "absent", "there", _CHOICE),
)

_ANNEX_I = "PS3.18 I.1, table I.1-1: conditional, and absent where it has no item"
_TEXTLESS = "PS3.18 10.5.3: no text to describe, (0008,0005) is conditional"
_BODY = "PS3.18 10.5.3: each instance is reported, whatever the status"
_PROBLEM = "PS3.18 8.4: an error may have a payload; ours are problem details"

_STORES = (
    Decided("*", "00080005", "absent", "there", _TEXTLESS),
    Decided("*", "00081198", "absent", "there", _ANNEX_I),
    Decided("*", "media type", "application/dicom+json", "", _BODY),
    Decided("*", "media type", "application/problem+json", "*", _PROBLEM),
    Decided(
        "several studies", "00081190", "null", "*", "PS3.18 table I.1-1: the study's URL, where there is one study"
    ),
    Decided("other bytes*", "status", "409", "200", "PS3.5 9.1: a UID is of one object; what is there stays"),
    Decided(
        "other bytes*", "00081190|00081198|00081199", "*", "*", "PS3.5 9.1: a UID is of one object; what is there stays"
    ),
    Decided("of the study*", "status", "202", "200", "PS3.18 10.5.3.1: stored with a warning (another Patient ID)"),
    Decided(
        "of the study*",
        "00081199.00081196",
        "there",
        "absent",
        "PS3.18 10.5.3.1: stored with a warning (another Patient ID)",
    ),
    Decided("one *", "status", "202", "*", "PS3.18 10.5.3.1: one is stored and one is not"),
    Decided("no UID in the path", "status", "400", "409", "PS3.18 8.2: {study} is a UID"),
    Decided("no part", "status", "400", "200", "PS3.18 10.5.1: a payload has one instance or more"),
    Decided("no body", "status", "400", "200", "PS3.18 10.5.1: a payload has one instance or more"),
    Decided("cut off in a part", "status", "400", "200", "RFC 2046 5.1.1: the body has not ended"),
    Decided("without the last boundary", "status", "400", "200", "RFC 2046 5.1.1: the body has not ended"),
    Decided("a part of text", "status", "415", "200", "PS3.18 8.5: a media type that is not taken"),
    Decided("a part of text", "00081190|00081199|0008119A", "*", "*", _BODY),
    Decided(
        "no type of a part",
        "00081190|00081199",
        "*",
        "absent",
        "RFC 2387 3.1: the type of the root part stands in `type`",
    ),
    Decided("one instance without multipart", "status", "200", "415", "PS3.18 10.5.4: a single part may be taken"),
    Decided(
        "no type",
        "status",
        "200",
        "415",
        "PS3.18 10.5.1: each part names its media type itself",
    ),
    Decided("no boundary", "status", "400", "415", "RFC 2046 5.1.1: the boundary is required"),
    Decided("a form", "status", "415", "500", "PS3.18 8.5: a media type that is not taken"),
    Decided("answered as text", "status", "406", "200", "PS3.18 8.7.8.1: nothing acceptable is a 406"),
)

DIFFERENCES: dict[str, tuple[Decided, ...]] = {
    "search": _SEARCHES,
    "retrieve": _RETRIEVALS,
    "bulk data": _BULK_DATA,
    "store": _STORES,
}
