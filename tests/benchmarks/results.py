"""Results of a run of the benchmarks, as stored in ``docs/benchmarks.json``."""

import statistics
from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel


class Spread(BaseModel):
    """Repeated measurements of one thing."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Summarise one or more measurements."""
        ordered = sorted(values)
        return cls(
            median=statistics.median(ordered), low=ordered[0], high=ordered[-1], n=len(ordered)
        )


class Noise(BaseModel):
    """What disturbed a part of the run: `tests.benchmarks.noise`."""

    other_cores: float = 0.0
    """Cores that were busy with other work meanwhile."""
    stolen_percent: float = 0.0
    """Part of the cores' time that the host gave to other guests meanwhile."""
    drift_percent: float = 0.0
    """By how much a fixed computation beside it was slower than at best during the run."""


class Machine(BaseModel):
    """The machine of the run."""

    cpu: str
    simd: dict[str, bool]
    cores: int
    memory_gb: float
    kernel: str
    python: str
    packages: dict[str, str]
    commit: str
    date: str
    load_before: float
    stolen_percent: float = 0.0
    """Part of the cores' time that the hypervisor gave to others during the run."""

    @property
    def has_vnni(self) -> bool:
        """Whether its processor has dot products of 8-bit integers."""
        return any(self.simd.get(name, False) for name in ("avx_vnni", "avx512_vnni"))

    @property
    def kind(self) -> str:
        """What machines have in common whose milliseconds may be compared."""
        return f"{self.cpu}, {self.cores} cores, {'VNNI' if self.has_vnni else 'no VNNI'}"


class Baseline(BaseModel):
    """One program that Affectline is compared with; times per frame in the steady state."""

    rate: Spread
    cpu_ms: Spread
    cores: Spread
    other_cores: Spread
    """Cores that were busy with other work meanwhile."""
    detect_ms: Spread
    classify_ms: Spread
    first_s: Spread
    peak_mb: Spread
    frames: int
    versions: dict[str, str]


class Throughput(BaseModel):
    """Affectline, lossless and fast, over a whole clip."""

    classifiers: int
    rate: Spread
    """From the first result to the last, frames a second."""
    whole_rate: Spread
    """From the start of the command to its end."""
    cores: Spread
    other_cores: Spread
    cpu_ms: dict[str, Spread]
    """CPU milliseconds a frame of each kind of process."""
    observer_ms: Spread
    """CPU milliseconds a frame of the program that measures."""
    frames: int

    @property
    def frame_ms(self) -> float:
        """CPU milliseconds a frame of all processes together."""
        return sum(one.median for one in self.cpu_ms.values())


class Live(BaseModel):
    """Affectline, live, over one or several streams at 30 frames a second."""

    streams: int
    classifiers: int
    offered: int
    answered: int
    skipped: int
    """Frames offered that were not classified: skipped, stale, unanswered or never published."""
    p50: float
    p95: float
    p99: float
    stages: dict[str, float]
    """Median milliseconds of each stage."""
    stages_p99: dict[str, float]
    """The same as 99th percentiles, each on its own."""
    slow: int
    """Frames that took longer than the target for p99."""
    slow_at_first: int
    """Those of them that were captured within a second of the first one."""
    cores: float
    other_cores: float
    cpu_ms: dict[str, float]
    """CPU milliseconds for each frame offered."""
    beside: str = ""
    """What else the pipeline did, in words; empty: nothing."""
    size: tuple[int, int] = (640, 360)
    rate: float = 30.0
    """Frames a second of each stream."""
    max_ms: float | None = None
    """The longest that a frame took, after the first second."""
    shares: list[float] = []
    """Of each stream: part of its frames that were classified."""
    reasons: dict[str, int] = {}
    """Frames skipped, by reason (`missing` of `Emotion` and of its faces)."""
    rss_mb: float | None = None
    pss_mb: float | None = None
    """Memory of all processes together; None where reading it would have disturbed."""

    @property
    def fairness(self) -> float | None:
        """The largest share of a stream in that of the smallest; None: not known.

        A stream that has none counts as having a thousandth.
        """
        return max(self.shares) / max(1e-3, min(self.shares)) if self.shares else None

    @property
    def skipped_percent(self) -> float:
        return 100 * self.skipped / self.offered


class DashboardLoad(BaseModel):
    """The pipeline and the dashboard with a number of pages open."""

    dashboard: bool
    """Whether the dashboard runs."""
    pages: int
    stalled: int
    """Those of them whose script was stopped."""
    drawn: bool = True
    """Drawn by a browser on this machine; otherwise only the pages' sockets are open."""
    server_percent: float
    """CPU time of the server's process, in percent of one core."""
    rate: float
    """Frames with a result in a second."""
    classified: float
    """Part of them that were classified."""
    p50: float
    p95: float
    """Milliseconds from captured to published, of those."""
    shown: list[float]
    """Pictures a second that each page showed, without the stalled ones."""
    cores: float
    """Cores that were busy with anything: the browser is on the same machine."""


class Memory(BaseModel):
    """Memory in MB at the moment when all processes together had most."""

    rss: float
    pss: float
    processes: dict[str, tuple[float, float, float]]
    """RSS, PSS and USS of each kind of process."""


class FirstEmotion(BaseModel):
    """Seconds from the start of the command."""

    received: Spread
    """To the first emotion's arrival at an outside subscriber."""
    reported: Spread
    """As the command itself reports, without the start of the interpreter."""


class Micro(BaseModel):
    """One small operation."""

    name: str
    value: float
    unit: str
    note: str = ""


class Lossless(BaseModel):
    """Affectline, lossless and fast, over a film, once."""

    frames: int
    film_s: float
    """Length of the film in seconds."""
    rate: float
    """Frames a second in the steady state."""
    whole_rate: float
    """The same from the start of the command to its end."""
    cpu_ms: dict[str, float]
    """CPU milliseconds a frame of each kind of process."""
    faces: float
    """Faces found in a frame, on average."""
    rss_mb: list[float] = []
    """Memory of all processes together, in tenths of the run, from its first emotion."""

    @property
    def frame_ms(self) -> float:
        """CPU milliseconds a frame of all processes together."""
        return sum(self.cpu_ms.values())

    @property
    def loss_percent(self) -> float:
        """How far the whole command is behind the steady rate."""
        return 100 * (1 - self.whole_rate / self.rate)


class RecordCost(BaseModel):
    """What ``--record`` adds to a frame, by pairs of runs with and without it."""

    added_ms: Spread
    """CPU milliseconds a frame, of all processes together."""
    recorder_ms: Spread
    """Those of the recorder's process."""
    mb_per_s: float
    """Written a second of film."""


class FullHdSource(BaseModel):
    """Frames of 1920x1080 from one kind of source; None: not measured, for the reason."""

    name: str
    live: Live | None = None
    lossless: Lossless | None = None
    reason: str = ""


class CommandTimes(BaseModel):
    """Wall milliseconds of short commands, in turns."""

    nothing_ms: Spread
    """``python -c pass``."""
    import_ms: Spread
    """``python -c "import affectline"``."""
    help_ms: Spread
    """``affectline --help``."""


class ReplayRate(BaseModel):
    """A replay at the rate ``max`` whose sink writes the tables."""

    frames: int
    seconds: float
    """From the first row to the last."""
    whole_s: float
    """From the start of the command to its end."""

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds


class ReportCost(BaseModel):
    """The report of an hour's session with sensors."""

    seconds: float
    cpu_s: float
    peak_mb: float
    results: int
    """Frames with a result in the session."""


class HourPage(BaseModel):
    """The replay page with an hour's curves, in a Chromium on this machine."""

    ready_s: float
    """From opening the page to its complete curves."""
    p50_ms: float
    p95_ms: float
    max_ms: float
    """From one frame of the page to the next, while it moves through the hour."""


class Floor(BaseModel):
    """What the arithmetic alone costs, on one core; CPU milliseconds a frame."""

    decode_ms: float
    """H.264 by PyAV, to the planes that the film holds."""
    networks_ms: float
    """Inside the networks that the detector runs, face mesh included."""
    detector_ms: float
    """The detector's whole stage in the same run."""
    model_ms: float
    """int8 VGG16, one face at a time."""
    batch_ms: float
    """The same a face, in batches of the best size."""
    batch: int
    """That size."""
    copy_ms: float
    """One copy of the bytes of a frame's messages."""
    message_bytes: int


class GrowthPoint(BaseModel):
    """Figures at one size of something."""

    at: float
    figures: dict[str, float]
    """By name: ``cpu_ms``, ``rate``, ``p99_ms``, ``skipped_percent``, ``rss_mb``, ..."""


class OptionTimes(BaseModel):
    """The detector's stage with one choice of options on one clip; CPU milliseconds a frame."""

    backend: str
    signs: str
    """What it tells of each face; empty where that is nothing."""
    mean: float
    p50: float
    p99: float
    found: int
    """Frames with a face."""
    faces: int
    """Faces in all frames together."""


class ClipTimes(BaseModel):
    """The detector's stage on one clip, with all choices of options frame by frame in turn."""

    clip: str
    size: tuple[int, int]
    frames: int
    rounds: int
    options: list[OptionTimes]
    ratio: Spread
    """Time of ``haar+net`` in that of ``haar``, both without landmarks; of each round."""
    other_cores: float
    commit: str
    date: str

    def find(self, backend: str, signs: str = "") -> OptionTimes:
        """The times of one choice of options."""
        return next(one for one in self.options if (one.backend, one.signs) == (backend, signs))

    def added_ms(self, more: str, less: str = "") -> float | None:
        """What telling more of a face costs in milliseconds; None where there is no face.

        Args:
            more: What ``haar+net`` tells.
            less: What it tells without.
        """
        dear, cheap = self.find("haar+net", more), self.find("haar+net", less)
        return (dear.mean - cheap.mean) * self.frames / dear.faces if dear.faces else None


class BackendRecall(BaseModel):
    """What a backend finds in a film."""

    backend: str
    found: int
    """Frames with a face, of those that show one."""
    false_faces: int
    """Faces in frames that show none."""
    tracks: int
    """Numbers given in all frames."""
    ms: float
    """Mean CPU milliseconds a frame of the detector's stage."""


class FilmRecall(BaseModel):
    """What all backends find in a film, frame by frame in turn."""

    film: str
    shows: str
    source: str
    is_made: bool
    size: tuple[int, int]
    frames: int
    shown: int
    """Frames that show a face."""
    empty: int
    """Frames that show none; those in neither count neither way."""
    rounds: int
    """How often it was run without landmarks."""
    plain: list[BackendRecall]
    """Without landmarks, poses and eyes."""
    framed: list[BackendRecall]
    """With landmarks in every frame; poses and eyes find no other faces."""
    commit: str
    date: str

    def find(self, backend: str, *, with_landmarks: bool = False) -> BackendRecall:
        """What a backend finds, without landmarks or with them in every frame."""
        runs = self.framed if with_landmarks else self.plain
        return next(one for one in runs if one.backend == backend)

    def share(self, backend: str, *, with_landmarks: bool = False) -> float:
        """Part of the frames that show a face in which it finds one; there are some."""
        return self.find(backend, with_landmarks=with_landmarks).found / self.shown


class Results(BaseModel):
    """All results."""

    machine: Machine
    clip: str
    size: tuple[int, int]
    clip_frames: int
    paper: Baseline
    fer: Baseline
    ours: list[Throughput]
    live: list[Live]
    memory: Memory
    first: FirstEmotion
    micro: list[Micro]
    duration_s: float
    dashboard_load: list[DashboardLoad] = []
    """Without a dashboard, then with 0 and more pages; empty where there is no browser."""
    detector: list[ClipTimes] = []
    """Empty where the shared clips are not at hand."""
    recall: list[FilmRecall] = []
    """Likewise. Films that are not at hand keep their last results."""
    long_film: Lossless | None = None
    record: RecordCost | None = None
    full_hd: list[FullHdSource] = []
    commands: CommandTimes | None = None
    replay: ReplayRate | None = None
    report: ReportCost | None = None
    hour_page: HourPage | None = None
    floor: Floor | None = None
    growth: dict[str, list[GrowthPoint]] = {}
    """By what grows: ``streams``, ``faces``, ``sizes`` (megapixels), ``lengths`` (minutes) and
    ``sessions``."""
    noise: dict[str, Noise] = {}
    """By part of the run."""
    part_s: dict[str, float] = {}
    """How long each part took."""
    not_measured: dict[str, str] = {}
    """Parts that could not be measured, and why."""

    @property
    def best(self) -> Throughput:
        """The fastest run of Affectline."""
        return max(self.ours, key=lambda one: one.rate.median)

    def micro_value(self, name: str) -> float:
        """Value of a small operation."""
        return next(one.value for one in self.micro if one.name == name)
