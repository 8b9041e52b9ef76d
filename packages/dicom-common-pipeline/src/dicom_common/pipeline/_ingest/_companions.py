"""What lies beside the instances on a medium: a viewer, its documentation, the notes of an operating system."""

from __future__ import annotations

from pathlib import Path

from dicom_common.pipeline._ingest._bounded import open_regular

__all__ = ["is_companion"]

_OF_PROGRAMS = (
    "app bat cab cfg chm class cmd com command conf config desktop dll dylib exe hlp icns ico inf ini jar js lnk "
    "manifest mo msi nib pdb pl plist po ps1 py pyc qm rc res sh so sys tlb ttf url vbs"
)
_OF_PEOPLE = (
    "css csv doc docx gif htm html jpeg jpg json log md md5 nfo pdf png rst rtf sha1 sha256 svg tsv txt xls xlsx xml "
    "xsd xsl yaml yml"
)
_SUFFIXES = frozenset((*_OF_PROGRAMS.split(), *_OF_PEOPLE.split(), "db"))  # Thumbs.db of Windows
_INSTANCE_SUFFIXES = frozenset(("dcm", "dicom", "dic", "ima"))
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")
_HEAD = 4096
_TEXT = bytes({*b"\t\n\f\r\x1a", *range(0x20, 0x7F), *range(0x80, 0x100)})
"""Every byte that a text may have in ASCII, UTF-8 or a code page."""


def is_companion(path: Path) -> bool:
    """Tell whether a file that is not DICOM was never meant to be: a viewer's file, a text, a file of the system.

    Asked of files that were rejected as `not-dicom`. In doubt it is not a companion: a damaged instance must
    not pass for one, such as a page of an error under the name of an instance.

    Args:
        path: the file; up to 4 KiB of it are read where its name does not decide.
    """
    suffix = path.suffix[1:].lower()
    if suffix in _INSTANCE_SUFFIXES:
        return False
    if suffix in _SUFFIXES and path.stem.strip("."):
        return True
    try:
        with open_regular(path) as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    # Instances without a suffix have numbers in their names: IM0001, 1.2.840.113619.2. README and VERSION have none.
    is_named_by_words = not suffix and not any(letter.isdigit() for letter in path.name)
    return head.startswith(_PROGRAMS) or (bool(head) and is_named_by_words and not head.translate(None, _TEXT))
