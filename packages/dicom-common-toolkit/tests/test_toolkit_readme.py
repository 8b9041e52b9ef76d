"""The README's programs run."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_its_programs_run_one_after_another() -> None:
    exec("".join(re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)), {})
