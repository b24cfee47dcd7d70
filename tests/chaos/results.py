"""Results of the cells of the matrix, as stored in ``docs/reliability.json``."""

from typing import Literal

from pydantic import BaseModel

Verdict = Literal["kept", "broken", "undecided", "left out"]


class Footprint(BaseModel):
    """Memory and descriptors that the processes of a pipeline hold."""

    memory_mb: float = 0.0
    """Total PSS: shared memory counts once."""
    descriptors: int = 0


class CellResult(BaseModel):
    """The result of one cell. Frame counts are counts of distinct frames."""

    name: str
    mode: str
    fault: str
    """``SIGKILL``, ``SIGSTOP``, or a description."""
    target: str
    """The processes that it hit, or what else it affected."""
    verdict: Verdict = "kept"
    broken: list[str] = []
    """The broken promises, or why the cell was left out or is undecided."""
    seconds: float = 0.0
    other_cores: float = 0.0
    """Cores that were busy with other work until frames flowed again."""

    pause_s: float | None = None
    """The longest time without the result of a new frame, from the fault on."""
    hung_s: float | None = None
    """Seconds from SIGSTOP until the hung process was killed."""
    back_s: float | None = None
    """Seconds until each process that the fault hit has reported its health."""
    page_pause_s: float | None = None
    """The longest time without a new image on the page."""

    sent: int | None = None
    """Frames that were to be analysed."""
    rows: int | None = None
    """Frames that have a row with a result."""
    lost: int | None = None
    """Frames that the run counts as lost."""
    skipped: int | None = None
    """Frames that the run counts as not analysed, for another reason."""
    unaccounted: int | None = None
    """Frames that were sent, but have no row and are not counted."""
    recorded: int | None = None
    """Frames in the recording."""
    answers: int | None = None
    """Results in the recording."""
    unsaid: int | None = None
    """Frames and results that the recording lacks and ``affectline check`` does not name."""
    samples: int | None = None
    """Samples of the table that have a row."""
    resent: int = 0
    """Frames that the source sent again."""
    said: str = ""
    """The run's message, if it ended with an error."""

    before: Footprint = Footprint()
    """What the processes that were not hit held, just before the fault."""
    after: Footprint = Footprint()
    """What the same processes held when frames were flowing again."""


class ProcessGrowth(BaseModel):
    """How one process grew during the soak."""

    process: str
    first: Footprint
    """What it held after the warm-up."""
    last: Footprint
    mb_per_hour: float
    """Least-squares slope of its memory, after the warm-up."""
    descriptors_per_hour: float


class SoakResult(BaseModel):
    """The long run with everything on."""

    seconds: float
    processes: list[ProcessGrowth]
    cell: CellResult


class Matrix(BaseModel):
    """All results of one run."""

    date: str
    commit: str
    machine: str
    seconds: float
    lanes: int
    is_whole: bool
    """Whether all cells were run."""
    cells: list[CellResult]
    soak: SoakResult | None = None
