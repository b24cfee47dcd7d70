"""``make bench-quick``: this working tree against another commit, on one machine, in two minutes.

Both run in turns, each with its own code: a round is a lossless run and a live run of each. What is
compared are pairs of one round, because they had the same machine. Times of other machines, and
other days, say nothing.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.benchmarks.clips import LIVE_SIZE, Clip, choose_clip
from tests.benchmarks.environment import ROOT, find_commit
from tests.benchmarks.made_films import FilmShelf
from tests.benchmarks.noise import NoiseMeter, explain_noise
from tests.benchmarks.pipeline import MB, Observer, Recording
from tests.benchmarks.ratios import compare_pairs, describe_ratio
from tests.benchmarks.run_figures import summarise_live
from tests.benchmarks.targets import P99_MS, RATE

LIVE_FRAMES: Final = 180
LOSSLESS_FRAMES: Final = 480
BUDGET_S: Final = 112.0
"""Another round is begun only if it will probably end within this time."""
LEAST_ROUNDS: Final = 3
MOST_ROUNDS: Final = 6
Figures = dict[str, float]


def main() -> None:
    """Compare the working tree with a commit, and print the ratios."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.quick", description=__doc__)
    parser.add_argument("base", nargs="?", default="HEAD~1", help="commit to compare with")
    base, console, started = parser.parse_args().base, Console(), time.monotonic()
    shelf = FilmShelf(choose_clip())
    live, fast = shelf.live(LIVE_FRAMES), shelf.loop(LOSSLESS_FRAMES)
    meter = NoiseMeter()
    with tempfile.TemporaryDirectory(prefix="affectline-quick-") as name:
        folder = Path(name)
        with checked_out(base, folder / "base") as tree:
            console.print(f"{find_commit()} against {base}")
            runs = Comparison({"ours": ROOT, "base": tree}, folder, live.path, fast.path)
            with meter.part("all"):
                runs.run(started)
    for line in format_comparison(runs.figures):
        console.print(line, highlight=False, soft_wrap=True)
    if why := explain_noise(meter.noise()["all"]):
        said = f"The machine was not quiet, so small differences are undecided: {why}."
        console.print(said, highlight=False, soft_wrap=True)
    console.print(f"{runs.rounds} rounds, {time.monotonic() - started:.0f} s")


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of a commit, its modules compiled, for as long as this lasts."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run(
        [*git, "add", "--quiet", "--detach", str(folder), commit], check=True, stdout=sys.stderr
    )
    try:
        # A first start would compile modules, which the working tree has already done
        packages = [str(folder / name) for name in ("common", "services")]
        compiling = [sys.executable, "-m", "compileall", "-q", "-j", "0", *packages]
        subprocess.run(compiling, check=False)
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=False)


class Comparison:
    """Runs of two trees in turns.

    Args:
        trees: Their folders, by name.
        folder: For temporary files.
        live: The film of the live runs.
        fast: That of the lossless runs.
    """

    def __init__(self, trees: Mapping[str, Path], folder: Path, live: Path, fast: Path) -> None:
        self._trees, self._folder, self._live, self._fast = trees, folder, live, fast
        self.figures: dict[str, list[Figures]] = defaultdict(list)
        """By tree, round by round."""
        self.rounds = 0

    def run(self, started: float) -> None:
        """Run rounds until the time is up.

        Args:
            started: When the whole comparison began, by the monotonic clock.
        """
        took = 0.0
        while self.rounds < MOST_ROUNDS:
            begun = time.monotonic()
            if self.rounds >= LEAST_ROUNDS and begun - started + took > BUDGET_S:
                return
            # Who is first changes: what a round does to the machine meets both
            for name in sorted(self._trees, reverse=bool(self.rounds % 2)):
                self.figures[name].append(self._measure(name, self._trees[name]))
            self.rounds += 1
            took = time.monotonic() - begun

    def _measure(self, name: str, tree: Path) -> Figures:
        def run(film: Path, *options: str, memory: bool = False) -> Recording:
            out = self._folder / f"{name}-{self.rounds}-{film.stem}"
            observer = Observer(out, f"--source=clip={film}", *options, memory=memory, tree=tree)
            return observer.run()

        fast = run(self._fast, "--delivery=lossless", "--pace=fast", memory=True)
        live = run(self._live, "--delivery=live", "--pace=realtime")
        return read_figures(fast, live)


def read_figures(fast: Recording, live: Recording) -> Figures:
    """The figures of a round of one tree."""
    clip = Clip(Path(), LIVE_SIZE, LIVE_FRAMES)
    shown = summarise_live(live, clip, 1, 1, slow_ms=P99_MS, rate=RATE)
    cpu = fast.cpu_ms()
    return {
        "CPU, ms a frame": sum(cpu.values()),
        **{f"CPU, ms a frame: {kind}": ms for kind, ms in sorted(cpu.items())},
        "lossless, frames/s": fast.rate(),
        "live, p50, ms": shown.p50,
        "live, p99, ms": shown.p99,
        "live, CPU, ms a frame": sum(shown.cpu_ms.values()),
        "first emotion, s": (fast.first_s + live.first_s) / 2,
        "memory, RSS, MB": max(sample.total("rss") for sample in fast.samples) / MB,
        "memory, PSS, MB": max(sample.total("pss") for sample in fast.samples) / MB,
    }


def format_comparison(figures: Mapping[str, Sequence[Figures]]) -> Iterator[str]:
    """Yield a line for each figure: both medians, and the ratio."""
    ours, base = figures["ours"], figures["base"]
    names = list(dict.fromkeys(name for one in (*ours, *base) for name in one))
    width = max(map(len, names))
    yield f"{'':{width}}      ours      base   ours in base (95 % of chances)"
    for name in names:
        left, right = ([one.get(name, 0.0) for one in runs] for runs in (ours, base))
        said = describe_ratio(compare_pairs(left, right, _grain(name)))
        middle = (statistics.median(values) for values in (left, right))
        yield f"{name:{width}} " + " ".join(f"{value:9.4g}" for value in middle) + f"   {said}"


def _grain(name: str) -> float:
    """Steps in which a figure is measured: Linux counts CPU time in hundredths of a second."""
    frames = LIVE_FRAMES if name.startswith("live") else LOSSLESS_FRAMES
    return 10.0 / frames if "CPU" in name else 0.0


if __name__ == "__main__":
    main()
