"""A report as one HTML file that can be read without a network or scripts."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path, PurePosixPath, PureWindowsPath
from string import Template
from typing import Any, Final
from urllib.parse import quote, urlsplit

from affectline.common.address import is_address
from affectline.common.palette import SURFACE, ThemeName, css_variables
from affectline.common.settings.study import STUDY_FIELDS
from affectline.services.report.section import ReportData, Section
from affectline.services.report.words import (
    by_importance,
    describe_quantity,
    format_date,
    format_duration,
    percent,
    quantity,
    subject,
)
from affectline.services.sessions.timeseries import STATE_FIGURES, SessionSeries

STATIC: Final = Path(__file__).parent / "static"
POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
"""The page makes no network requests."""
MARKER: Final = b"<p class=kind>Session report</p>"
"""What tells a report from other pages."""
PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { $light }
@media screen and (prefers-color-scheme: dark) { :root { $dark } }
$style
</style>
</head>
<body>
<header>
<p class=kind>Session report</p>
<h1>$heading</h1>
<dl class=facts>
$facts
</dl>
</header>
<main>
$sections
</main>
<script>
$script
</script>
</body>
</html>
""")
HATCH: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'>"
    "<rect width='7' height='7' fill='{card}' fill-opacity='.35'/>"
    "<path d='M-1 1L1 -1M0 7L7 0M6 8L8 6' stroke='{ink}' stroke-width='1.4'/></svg>"
)
"""Tile for hatched areas, which are visible without colours too. It is an image, because browsers
print gradients as megabytes."""
KINDS: Final = {
    "film": "Film", "camera": "Camera", "stream": "Network stream", "pictures": "Pictures",
}  # fmt: skip
WHOLE: Final = 0.97
"""If less than this share of a film was analysed, the page says so."""


def render_page(data: ReportData, sections: Iterable[Section]) -> str:
    """Return the page as HTML.

    Raises:
        AffectlineError: A package that a section needs is not installed.
    """
    rendered = [
        f"<section class=s-{section.settings.section}>\n{html}\n</section>"
        for section in sections
        if (html := section.render(data))
    ]
    heading = describe_who(data)
    name = data.recording.name
    title = name if heading == name else f"{heading} \N{MIDDLE DOT} {name}"
    facts = [
        f"<div><dt>{escape(term)}</dt>{''.join(f'<dd>{escape(text)}</dd>' for text in told)}</div>"
        for term, told in describe_facts(data).items()
    ]
    return PAGE.substitute(
        title=escape(title),
        heading=escape(heading),
        facts="\n".join(facts),
        sections="\n".join(rendered),
        policy=POLICY,
        light=_variables("light"),
        dark=_variables("dark"),
        style=(STATIC / "report.css").read_text("utf-8"),
        script=(STATIC / "report.js").read_text("utf-8"),
    )


def _variables(theme: ThemeName) -> str:
    ink, card = (getattr(shade, theme) for shade in (SURFACE.ink, SURFACE.card))
    tile = quote(HATCH.format(ink=ink, card=card), safe="/= '")
    variables = css_variables(theme) | {"--hatch": f'url("data:image/svg+xml,{tile}")'}
    return "; ".join(f"{name}: {value}" for name, value in variables.items())


def describe_who(data: ReportData) -> str:
    """Participant, condition, session, task and run; the session's title if none was given."""
    study = _study(data)
    told = [
        f"{name} {study[name]}"
        for name in ("participant", "condition", "session", "task", "run")
        if name in study
    ]
    text = " \N{MIDDLE DOT} ".join(told)
    return f"{text[0].upper()}{text[1:]}" if text else data.recording.title


def describe_facts(data: ReportData) -> dict[str, list[str]]:
    """What was analysed and measured, by name, each in one or more lines."""
    session = data.session
    facts: dict[str, list[str]] = {}
    for kind, text in _describe_streams(session):
        facts.setdefault(kind, []).append(text)
    facts = {
        f"{kind}s" if len(names) > 1 and not kind.endswith("s") else kind: names
        for kind, names in facts.items()
    }
    if len(session.streams) == 1:
        (stream,) = session.streams
        if session.first is not None and session.streams[stream].frames:
            facts["Length"] = [_describe_length(stream, session)]
    elif session.first is not None and not session.streams:
        facts["Length"] = [format_duration(session.seconds)]
    if session.zero:
        facts["Date"] = [format_date(session.zero, seconds=False)]
    if session.first is not None or not session.pictures:
        facts["Measured"] = list(_describe_signals(session)) or [
            "no heart rate or skin conductance"
        ]
    own = {name: text for name, text in _study(data).items() if name not in STUDY_FIELDS}
    facts.update({name.replace("_", " ").capitalize(): [text] for name, text in own.items()})
    who = describe_who(data)
    if who != data.recording.title != data.recording.name:
        facts["Session"] = [data.recording.title]
    if who != data.recording.name:
        facts["Session folder"] = [data.recording.name]
    return facts


def _study(data: ReportData) -> dict[str, str]:
    study = data.recording.about.get("study")
    if not isinstance(study, Mapping):
        return {}
    return {str(name): str(text) for name, text in study.items() if text not in (None, "")}


def _describe_streams(session: SessionSeries) -> Iterator[tuple[str, str]]:
    """Kind and name of each film, camera or folder; if there are several, also the length."""
    several = len(session.streams) > 1
    for stream, summary in session.streams.items():
        kind = KINDS.get(summary.kind or "", "Stream")
        name = source_name(summary.source) or stream
        if several and PurePosixPath(name).stem != stream:
            name = f"{name} ({stream})"
        if several and summary.frames and summary.kind != "pictures":
            name = f"{name}, {_describe_length(stream, session)}"
        yield kind, name


def _describe_length(stream: str, session: SessionSeries) -> str:
    length, seen = session.length_of(stream), session.seen_seconds(stream)
    text = format_duration(length)
    if seen < WHOLE * length:
        return f"{text}, of which {format_duration(seen)} ({percent(seen / length)}) analysed"
    return text


def source_name(source: str) -> str:
    """A source's display name: a file's name, or an address without its secrets."""
    if is_address(source):
        parts = urlsplit(source)
        return f"{parts.hostname or ''}{parts.path}".rstrip("/")
    path: Any = PureWindowsPath(source) if "\\" in source else PurePosixPath(source)
    return str(path.name)


def _describe_signals(session: SessionSeries) -> Iterator[str]:
    """Yield what was measured for each person."""
    by_subject: dict[str, list[str]] = {}
    for series in by_importance(session.series.values()):
        whose = subject(series)
        if whose in session.sampled and quantity(series) not in STATE_FIGURES:
            title = describe_quantity(quantity(series)).title
            by_subject.setdefault(whose, []).append(title)
    simulated = ", simulated" if session.synthetic else ""
    for whose, titles in by_subject.items():
        names = [titles[0], *(_in_a_sentence(title) for title in titles[1:])]
        yield f"{', '.join(names)} ({whose}{simulated})"


def _in_a_sentence(title: str) -> str:
    """A title for use within a sentence: abbreviations keep their capitals."""
    return title if title[:2].isupper() else f"{title[0].lower()}{title[1:]}"
