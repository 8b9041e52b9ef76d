"""`dicom-common verify`: the contract of a kind against the backend of a configuration."""
