"""An archive on the Ray cluster at RAY_ADDRESS that cuts films into short pieces.

python -m tests.ray_archive OUT SECONDS FILM...
"""

import sys
from pathlib import Path

from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.archive.archive import Archive
from affectline.services.archive.film_list import list_films
from affectline.services.archive.ray_engine import RayEngine


def main() -> None:
    """Analyse the films that the command line names."""
    out, seconds, *films = sys.argv[1:]
    archive = Archive(Path(out), list_films(films), PipelineSettings(), resume=False)
    (result,) = archive.run(RayEngine(least_piece_s=float(seconds)))
    assert not result.problem, result.problem


if __name__ == "__main__":
    main()
