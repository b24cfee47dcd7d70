"""A model is in memory once."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.model import artifact
from affectline.common.model.interpreter import open_interpreter, release_file
from affectline.common.model.litert import open_litert


def resident_kb(path: Path) -> int:
    """Memory that holds pages of a file that this process has mapped, in kB."""
    parts = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    of_it = [part for part in parts if part.partition("\n")[0].endswith(str(path.resolve()))]
    return sum(int(re.findall(r"^Rss:\s+(\d+)", part, re.MULTILINE)[0]) for part in of_it)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is in memory")
def test_the_file_of_a_model_takes_no_memory_besides_its_weights() -> None:
    opened = artifact.load()
    path = opened.verified("litert-int8")
    model = open_litert(opened)
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    expected = model.predict(faces)
    assert resident_kb(path) < path.stat().st_size / 1000 / 4
    release_file(path)
    assert np.array_equal(model.predict(faces), expected)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(AffectlineError, match=r"is not a readable LiteRT model .*: make it again"):
        open_interpreter(tmp_path / "model.tflite", 1, "make it again")
    release_file(tmp_path / "other.tflite")
