"""Opening LiteRT files."""

from pathlib import Path
from typing import Any

from affectline.common.errors import AffectlineError, first_line
from affectline.common.stderr import silence_stderr


def open_interpreter(path: Path, threads: int, way_out: str) -> Any:
    """Open a LiteRT file and allocate its tensors.

    Args:
        path: The file.
        threads: Number of threads that LiteRT may use for one run.
        way_out: How to fix a file that cannot be read, for the error.

    Returns:
        An ``ai_edge_litert`` interpreter.

    Raises:
        AffectlineError: The file is not a LiteRT model.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with silence_stderr():
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise AffectlineError(
            f"{path} is not a readable LiteRT model ({first_line(error)})", way_out
        ) from error
    return interpreter
