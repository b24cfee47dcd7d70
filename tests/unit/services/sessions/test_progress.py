"""Progress says how far it is and how long it takes, in few characters."""

import io

import pytest
from rich.console import Console

from affectline.services.sessions.progress import format_left, new_progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.2, "0:00 left"), (4.4, "0:04 left"), (83, "1:23 left"), (3723, "1:02:03 left")],
)
def test_the_time_left_is_short(seconds: float | None, text: str) -> None:
    assert format_left(seconds) == text


def test_a_bar_counts_frames() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None)
    with new_progress(console) as progress:
        bar = progress.add_task("drive", total=472)
        progress.update(bar, completed=280)
        progress.refresh()
    assert "280/472" in file.getvalue()
