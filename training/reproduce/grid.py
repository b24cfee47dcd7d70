"""The paper's tables, and the trainings that fill them."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.fit.hyperparameters import HeadSettings


@dataclass(frozen=True)
class RunConfig:
    """One training of the head. ``settings.epochs`` is its end, but not part of its identity."""

    settings: HeadSettings
    standardised: bool = False
    """Whether each feature is standardized to mean 0 and variance 1 over the training rows."""
    random_split: bool = False
    """Whether the test rows are not the file's own, but as many at random from all rows."""

    @property
    def name(self) -> str:
        """The name of its folder; the same for every number of epochs."""
        s = self.settings
        parts = [s.preprocessing, f"b{s.batch_size}", f"lr{s.learning_rate:g}", f"seed{s.seed}"]
        parts += ["standardised"] * self.standardised + ["random"] * self.random_split
        return "-".join(parts)

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that a checkpoint must have been made with."""
        settings = {key: value for key, value in asdict(self.settings).items() if key != "epochs"}
        return {**settings, "standardised": self.standardised, "random_split": self.random_split}


@dataclass(frozen=True)
class GridRow:
    """A line of one of the paper's tables."""

    label: str
    epochs: int = 500
    batch_size: int = 32
    learning_rate: float = 0.002

    def run_config(self, preprocessing: Preprocessing, seed: int = 0) -> RunConfig:
        """The training that gives its figure."""
        return RunConfig(
            HeadSettings(
                self.epochs,
                self.batch_size,
                self.learning_rate,
                seed,
                preprocessing=preprocessing,
            )
        )


@dataclass(frozen=True)
class Grid:
    """The tables and their trainings. A run to the last number of epochs passes all others."""

    sizes: tuple[GridRow, ...] = tuple(
        GridRow(str(size), batch_size=size) for size in (32, 64, 128)
    )
    lengths: tuple[GridRow, ...] = tuple(
        GridRow(f"{epochs:,}", epochs) for epochs in (500, 1000, 5000, 10000)
    )
    rates: tuple[GridRow, ...] = tuple(GridRow(f"{r:g}", learning_rate=r) for r in (0.002, 0.001))
    preprocessings: tuple[Preprocessing, ...] = ("unit", "vgg16", "raw")
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def short(self) -> tuple[GridRow, ...]:
        """The lines that are trained with every seed: all except the long ones."""
        return tuple(dict.fromkeys(replace(x, label="") for x in (*self.sizes, *self.rates)))

    @property
    def experiments(self) -> tuple[RunConfig, ...]:
        """Runs that test other possible causes of a difference, at the largest batch size."""
        last = [self.sizes[-1].run_config(each) for each in self.preprocessings]
        return (
            *(replace(run, standardised=True) for run in last),
            *(replace(run, random_split=True) for run in last),
        )

    def plan(self) -> list[RunConfig]:
        """All runs, the most informative first: one seed, experiments, the long run, more seeds."""
        first, *more = self.seeds
        kinds = self.preprocessings
        plan = (
            *(line.run_config(kind, first) for line in self.short for kind in kinds),
            *self.experiments,
            *(line.run_config(kind, first) for kind in kinds[:2] for line in self.lengths),
            *(line.run_config(kind, s) for s in more for kind in kinds for line in self.short),
        )
        return list(dict.fromkeys(plan))  # the first length is one of the short ones
