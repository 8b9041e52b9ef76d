"""The native reader: `dicom_common.dicom` finds and uses it by itself; there is nothing to call here.

It takes data sets that are as they should be, and leaves all others to the Python reader, whose answers are the
specification.
"""

from dicom_common.native._native import INTERFACE, PYDICOM, Reader, walk_fragments

__all__ = ["INTERFACE", "PYDICOM", "Reader", "walk_fragments"]
