"""The table of other models."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.peers import __main__ as peers
from tests.peers import predict
from tests.unit.training.evaluate.test_report import fer2013

DOCS = Path(__file__).parents[4] / "docs"


def test_the_page_shows_the_figures() -> None:
    figures = json.loads((DOCS / peers.FIGURES).read_text())
    assert peers.tabulate(figures) in (DOCS / peers.PAGE).read_text()
    assert set(figures) <= set(peers.NAMES) == {peers.OURS, *predict.MODELS}


def test_predictions_name_the_rows_of_the_split(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, out = fer2013(tmp_path / "faces.csv"), tmp_path / "out.csv"
    monkeypatch.setitem(predict.MODELS, "fer-keras", lambda faces: np.eye(7)[: len(faces)])
    predict.main(["fer-keras", str(data), str(out)])
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["9", "10", "11", "12"]
    assert float(rows[1]["disgust"]) == 1


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(SystemExit, match="not installed here"):
        predict.inside("no_such_package_of_anybody", "weights.h5")
