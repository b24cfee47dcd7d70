"""What the tests of training share: one small run and its artifact, trained once."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pandas as pd
import pytest

from tests.conftest import SHARED
from tests.hosts import connected_hosts
from tests.integration.buses import Bus

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
FER2013 = SHARED / "fer2013.csv.xz"
WEIGHTS = SHARED / "vgg16_imagenet_notop.weights.h5"


class Train(Protocol):
    """Runs ``affectline-train`` as users do."""

    def __call__(
        self, *arguments: str | Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def imagenet() -> Path:
    """VGG16's ImageNet weights."""
    if not WEIGHTS.exists():
        pytest.skip("../shared/data with VGG16's ImageNet weights is not here")
    return WEIGHTS


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")
    cache = tmp_path_factory.mktemp("cache")

    def run(
        *arguments: str | Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "affectline.training", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "PYTHONPATH": PYTHONPATH,
                "XDG_CACHE_HOME": str(cache),
                **(environment or {}),
            },
        )

    return run


@pytest.fixture(scope="session")
def some_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 rows of FER2013 with all three splits."""
    if not FER2013.exists():
        pytest.skip("../shared/data with FER2013 is not here")
    # The file starts with training rows alone; calling some of them test rows spares reading on.
    frame = pd.read_csv(FER2013, dtype=str, nrows=160)
    frame.loc[100:129, "Usage"] = "PublicTest"
    frame.loc[130:, "Usage"] = "PrivateTest"
    file = tmp_path_factory.mktemp("faces") / "faces.csv"
    frame.to_csv(file, index=False)
    return file


def make_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """A folder that is made once for all worker processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the workers' own folders lie in it
    folder = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second worker waits here
        if not (folder / "made").exists():
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, train: Train, some_faces: Path, imagenet: Path
) -> Path:
    """A folder with ``run`` of the paper's recipe and ``model``, its artifact with reference."""

    def make(folder: Path) -> None:
        data = ("--data", some_faces)
        for command in (
            ("fit", *data, "--recipe", "paper", "--backbone-weights", imagenet, "--epochs", "2",
             "--out", folder / "run"),
            ("export", folder / "run", *data, "--out", folder / "model", "--with-reference"),
        ):  # fmt: skip
            done = train(*command)
            assert done.returncode == 0, done.stderr

    return make_once(tmp_path_factory, "trained", make)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Callable[..., Bus]]:
    made: list[Bus] = []

    def make(delivery: str = "live", prefixes: tuple[str, ...] = ("bio/",)) -> Bus:
        made.append(Bus(tmp_path, delivery, (*prefixes, "health/")))
        # The hub is there, and knows what this ear wants: nothing that follows is missed
        made[-1].wait_for(lambda _: bool(made[-1].health("hub")))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def two_hosts(as_root: None) -> Iterator[None]:
    """Two network namespaces with a cable between them."""
    with connected_hosts():
        yield
