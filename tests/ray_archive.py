"""An archive on the Ray cluster at RAY_ADDRESS that cuts films into short pieces.

python -m tests.ray_archive OUT SECONDS FILM...

It prints a line whenever a piece has been measured.
"""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.archive.archive import Archive
from affectline.services.archive.film_list import list_films
from affectline.services.archive.ray_engine import RayEngine

MEASURED: Final = "a piece is measured"


def announce_pieces(engine: RayEngine) -> None:
    """Print a line whenever an engine's piece has been measured."""
    import ray

    measure = engine._measure

    def announce(reference: Any) -> None:
        ray.wait([reference], fetch_local=False)
        sys.stdout.write(f"{MEASURED}\n")
        sys.stdout.flush()

    def start(*arguments: Any) -> Any:
        reference = measure.remote(*arguments)
        threading.Thread(target=announce, args=(reference,), daemon=True).start()
        return reference

    engine._measure = SimpleNamespace(remote=start)


def main() -> None:
    """Analyse the films that the command line names."""
    out, seconds, *films = sys.argv[1:]
    archive = Archive(Path(out), list_films(films), PipelineSettings(), resume=False)
    engine = RayEngine(least_piece_s=float(seconds))
    announce_pieces(engine)
    (result,) = archive.run(engine)
    assert not result.problem, result.problem


if __name__ == "__main__":
    main()
