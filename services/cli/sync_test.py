"""``affectline sync-test``: a camera's delay from the lens to the time stamp."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import parse_bind
from affectline.common.settings.sources import choose_source
from affectline.services.cli.options import ConfigFile, read_settings

if TYPE_CHECKING:
    from affectline.services.synchrony.flash_delay import Change, FlashDelay


class Shown(StrEnum):
    """Where the square is shown."""

    WINDOW = "window"
    PAGE = "page"


def sync_test(
    source: Annotated[
        str,
        typer.Option(metavar="CAMERA", help="A camera that sees the display: index or address."),
    ] = "0",
    show: Annotated[
        Shown,
        typer.Option(help="window: on this display. page: in a browser, here or elsewhere."),
    ] = Shown.WINDOW,
    seconds: Annotated[
        float, typer.Option(min=10, max=600, help="How long the square flashes.")
    ] = 30,
    bind: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT", help="Where the page is served.  [default: 127.0.0.1, any port]"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, with every flash.")
    ] = False,
    config_file: ConfigFile = None,
) -> None:
    """Measure a camera's delay and jitter with a square that flashes on a display.

    No frame is stored. The display's own delay is part of the result.

    Example: affectline sync-test --source 0 --seconds 60
    """
    import affectline.services.capture  # noqa: F401 - first, because it silences OpenCV
    from affectline.services.synchrony.camera_pictures import CameraPictures
    from affectline.services.synchrony.flash_delay import measure_delay
    from affectline.services.synchrony.flash_plan import plan_changes

    if show is Shown.WINDOW:
        _check_display()
    settings = read_settings(config_file)
    camera = CameraPictures(choose_source(source, settings.sources), settings.capture)
    camera.start()
    try:
        changes, clock_error_ms = _flash(
            show, plan_changes(seconds), bind, lambda: not camera.is_alive()
        )
    finally:
        stamps, pictures = camera.stop()
    if camera.ending:
        raise AffectlineError(
            f"--source {camera.ending}, after {len(stamps)} frames",
            "keep the camera switched on, and try again",
        )
    found = measure_delay(stamps, pictures, changes)
    if as_json:
        typer.echo(json.dumps(_described(found, clock_error_ms)))
    else:
        typer.echo(summarize_delay(found, clock_error_ms))


def _check_display() -> None:
    from affectline.services.sink.screen import display_problem

    if problem := display_problem():
        raise AffectlineError(
            f"--show window: {problem}", "use --show page, and open the page on the display"
        )


def _flash(
    show: Shown, moments: list[float], bind: str | None, is_over: Callable[[], bool]
) -> "tuple[list[Change], float]":
    """Show the square; return its changes, and the uncertainty of their clock in ms."""
    if show is Shown.WINDOW:
        from affectline.services.synchrony.flash_window import flash_in_window

        return flash_in_window(moments, is_over), 0.0
    from affectline.services.synchrony.flash_page import OPENING_S, FlashPage

    host, port = parse_bind(bind, "127.0.0.1", None) if bind else ("127.0.0.1", None)
    page = FlashPage(moments, host, port or 0)
    typer.echo(f"open {page.address} before the camera, in full screen (F11)", err=True)
    try:
        changes = page.flash(is_over)
    finally:
        page.close()
    if not changes and not is_over():
        raise AffectlineError(
            f"--show page: no flash within {OPENING_S:.0f} s",
            "open the page that was printed, and leave it in front",
        )
    return changes, page.clock_error_ms or 0.0


def summarize_delay(found: "FlashDelay", clock_error_ms: float) -> str:
    """Summarize the result in a few lines.

    Args:
        found: The delays.
        clock_error_ms: How far the clock of the flashes may be off from that of the stamps, in ms.
    """
    left, top, right, bottom = (round(100 * share) for share in found.square)
    delay, first = found.delay, found.first
    error_ms = 1.96 * found.mean_error_ms + clock_error_ms
    return "\n".join(
        [
            f"{len(found.seen)} of {found.changes} flashes seen in {found.pictures} frames, one "
            f"every {found.picture_ms:.1f} ms; the square is at {left}-{right} % across, "
            f"{top}-{bottom} % down",
            f"delay     {delay.mean:6.1f} ms ± {error_ms:.1f} (95 %): a frame shows the moment "
            f"that long before its time stamp",
            f"jitter    {found.jitter_ms:6.1f} ms (SD of single frames)",
            f"seen after{first.mean:6.1f} ms on average, SD {first.sd:.1f}, 5 % {first.p5:.1f}, "
            f"median {first.median:.1f}, 95 % {first.p95:.1f}: from a flash to the stamp of the "
            "first picture of it",
            "all of it includes the display's own delay, which only a photodiode could separate",
        ]
    )


def _described(found: "FlashDelay", clock_error_ms: float) -> dict[str, Any]:
    return {
        "changes": found.changes,
        "seen": len(found.seen),
        "pictures": found.pictures,
        "picture_ms": found.picture_ms,
        "delay_ms": found.delay._asdict(),
        "first_seen_ms": found.first._asdict(),
        "mean_error_ms": found.mean_error_ms,
        "clock_error_ms": clock_error_ms,
        "jitter_ms": found.jitter_ms,
        "square": found.square,
        "flashes": [flash._asdict() for flash in found.seen],
    }
