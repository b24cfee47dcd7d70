"""What the arithmetic costs at the least, and how far each process is from it."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.benchmarks.results import Floor, Results
from tests.markdown import format_table


class StageFloor(NamedTuple):
    """A process, and the arithmetic that it cannot do without."""

    kind: str
    what: str
    floor_ms: float
    stage_ms: float

    @property
    def times(self) -> float:
        """The process's cost in that of the arithmetic."""
        return self.stage_ms / self.floor_ms


def compare_with_floor(floor: Floor, stage_ms: dict[str, float]) -> list[StageFloor]:
    """Set each process beside its arithmetic.

    Args:
        floor: What the arithmetic costs.
        stage_ms: CPU milliseconds a frame of each kind of process.
    """
    rows = (
        ("capture", "decoding H.264", floor.decode_ms),
        ("detector", "its networks, face mesh included", floor.networks_ms),
        ("classifier", "int8 VGG16, one face", floor.model_ms),
        ("hub", f"copying {floor.message_bytes / 1e3:.0f} kB once", floor.copy_ms),
    )
    return [
        StageFloor(kind, what, ms, stage_ms[kind]) for kind, what, ms in rows if kind in stage_ms
    ]


def format_floor(results: Results) -> Iterator[str]:
    """Yield the section; nothing where it was not measured."""
    floor = results.floor
    if floor is None:
        return
    cpu = {kind: spread.median for kind, spread in results.best.cpu_ms.items()}
    stages = compare_with_floor(floor, cpu)
    rows = [
        (one.kind, one.what, f"{one.floor_ms:.3g}", f"{one.stage_ms:.2f}", f"{one.times:.1f}")
        for one in stages
    ]
    least, total = sum(one.floor_ms for one in stages), results.best.frame_ms
    rows.append(("**sum**", "", f"{least:.2f}", f"{total:.2f}", f"{total / least:.1f}"))
    yield (
        "## Floor\n\nWhat the arithmetic costs at the least, alone on one core, beside the process "
        "that does it; CPU milliseconds a frame. The sum of the processes includes those without "
        "arithmetic.\n\n"
        + format_table("process | arithmetic | at the least: | process: | times:", rows)
    )
    yield (
        f"In batches of {floor.batch}, VGG16 takes {floor.batch_ms:.2f} ms a face instead of "
        f"{floor.model_ms:.2f}. The detector's stage, without its sockets, takes "
        f"{floor.detector_ms:.2f} ms."
    )
