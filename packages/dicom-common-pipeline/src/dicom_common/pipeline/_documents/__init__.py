"""The DICOM JSON of whole series and studies, kept beside the objects."""
