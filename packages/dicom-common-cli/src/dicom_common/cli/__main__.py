"""`python -m dicom_common.cli`."""

import sys

from dicom_common.cli import main

if __name__ == "__main__":
    sys.exit(main())
