"""A clock that tests set while real processes run, instead of that of the machine.

clock = SettableClock(tmp_path)
monkeypatch.setenv(*clock.variable)
with Pipeline(out) as pipeline:
    clock.set_by(3600)
"""

from pathlib import Path

from affectline.common.clock import SKEW_FILE_VARIABLE


class SettableClock:
    """The clock of processes that are started with the environment `variable`.

    Only what they ask `affectline.common.clock` for is set: that is everything that is written or
    published. Clocks that are never set (`time.monotonic`) go on, as when a clock is really set.

    Args:
        folder: Where the file lies by which processes know how their clock is set.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock-skew-ms"
        self.by_s = 0.0
        """Seconds by which the clock is ahead of the machine's."""
        self.set_by(0.0)

    @property
    def variable(self) -> tuple[str, str]:
        """Name and value of the environment variable that has processes go by this clock."""
        return SKEW_FILE_VARIABLE, str(self._file)

    def set_by(self, seconds: float) -> None:
        """Set the clock ahead by so many seconds of what it shows now; back, if negative."""
        self.by_s += seconds
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.by_s * 1000}")
        new.replace(self._file)
