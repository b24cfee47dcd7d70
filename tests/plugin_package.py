"""The package that docs/extending.md shows."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCK: Final = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented_files() -> dict[str, str]:
    """Path and text of every file that the page shows: the path follows the language."""
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def install_package(folder: Path) -> Path:
    """Install it below a folder; return what belongs into ``sys.path``."""
    for name, text in documented_files().items():
        file = folder / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--target", folder / "site", folder / "source"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "site"
