"""A study as one HTML page that opens anywhere, without a network."""

from collections.abc import Iterator, Sequence
from html import escape
from string import Template
from typing import Any, Final

from affectline.common.plural import counted
from affectline.services.study.figures import load_plotly, plotly_script, to_html
from affectline.services.study.session_data import CURVES, MEASURES, Measure, StudySession
from affectline.services.study.statistics import FEWEST, RESAMPLES, MeanInterval
from affectline.services.study.study import EventAverage, Study, event_labels

SAME: Final = 1e-9
"""Relative differences below this are rounding errors."""
COLUMNS: Final = 3
ROW_PX: Final = 300
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's palette: one colour per condition, in order."""
LINE: Final = "rgba(90,98,108,0.45)"
NAMED: Final = 8
"""Maximum of suggested marker labels."""
PAGE: Final = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name</title>
<style>
body { margin: 0 auto; padding: 1rem; max-width: 75rem; color: #1c2024; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.1rem; font-weight: normal; color: #5a626c; overflow-wrap: anywhere }
h1 strong { color: #1c2024; font-weight: 600 }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
p, li { max-width: 46rem }
.lead { font-size: 1.25rem; line-height: 1.4 }
.note { font-size: .85rem; color: #5a626c }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { white-space: nowrap; text-align: right; padding: .25rem .7rem;
  border-bottom: 1px solid #c9ced6 }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
td.text, th.text { text-align: left; white-space: normal; max-width: 24rem }
td.low { background: #fbe3d6 }
</style>
<h1><strong>$name</strong> &middot; $counts</h1>
<p class="lead">$lead</p>
$script
$sections
</html>
""")
LOW_COVERAGE: Final = 0.5
"""Lower coverage is highlighted."""


def render_study(study: Study, name: str) -> str:
    """Return the page as HTML.

    Raises:
        AffectlineError: Plotly is not installed.
    """
    load_plotly()
    counts = (
        f"{counted(len(study.participants), 'participant')}, "
        f"{counted(len(study.sessions), 'session')}, "
        f"{counted(len(study.conditions), 'condition')}"
    )
    sections = [
        _draw_measures(study), *_tell_differences(study), *_draw_events(study),
        _tell_sessions(study), *_tell_left_out(study), METHOD,
    ]  # fmt: skip
    return PAGE.substitute(
        name=escape(name), counts=counts, lead=_lead(study), script=plotly_script(),
        sections="\n".join(sections),
    )  # fmt: skip


def _lead(study: Study) -> str:
    what = "changes from each session's baseline" if study.has_baseline else "means"
    names = ", ".join(escape(one) for one in study.conditions)
    text = f"Each measure by condition ({names}): {what}, with every participant as a line."
    if len(study.participants) < FEWEST:
        text += (
            f" With {counted(len(study.participants), 'participant')} there are no intervals, "
            "because that is too few to estimate how people differ."
        )
    return text


def _draw_measures(study: Study) -> str:
    """A plot for each measure: conditions side by side, participants as lines."""
    from plotly.subplots import make_subplots

    go, measures = load_plotly(), study.measures
    rows = -(-len(measures) // COLUMNS)
    figure = make_subplots(
        rows=rows, cols=COLUMNS, vertical_spacing=70 / (ROW_PX * rows), horizontal_spacing=0.08,
        subplot_titles=[f"{one.title}, {one.scale}" for one in measures],
    )  # fmt: skip
    for place, measure in enumerate(measures):
        at = {"row": place // COLUMNS + 1, "col": place % COLUMNS + 1}
        for trace in _traces(study, measure, go):
            figure.add_trace(trace, **at)
        values = [
            value
            for condition in study.conditions
            for value in study.by_participant(measure, condition).values()
        ]
        figure.update_yaxes(range=_range_of_equals(values), **at)
    figure.update_xaxes(type="category", categoryarray=study.conditions, categoryorder="array")
    figure.update_layout(
        height=60 + ROW_PX * rows, template="plotly_white", showlegend=False,
        margin={"l": 50, "r": 20, "t": 40, "b": 40},
    )  # fmt: skip
    note = "<p>Grey: one participant. Coloured: mean over participants with its 95 % interval.</p>"
    return f"<h2>Measures by condition</h2>\n{note}\n{to_html(figure)}"


def _range_of_equals(values: Sequence[float]) -> list[float] | None:
    """An axis range for values that differ only by rounding, which plotly would show; else None."""
    largest = max(map(abs, values))
    if max(values) - min(values) > SAME * largest:
        return None
    return [min(values) - (largest or 1) / 10, max(values) + (largest or 1) / 10]


def _traces(study: Study, measure: Measure, go: Any) -> Iterator[Any]:
    values = {name: study.by_participant(measure, name) for name in study.conditions}
    for participant in study.participants:
        pairs = [(n, of[participant]) for n, of in values.items() if participant in of]
        if pairs:
            names, ys = zip(*pairs, strict=True)
            yield go.Scatter(
                x=names, y=ys, mode="lines+markers", name=participant,
                line={"color": LINE, "width": 1}, marker={"size": 5, "color": LINE},
            )  # fmt: skip
    for place, condition in enumerate(study.conditions):
        found = study.mean(measure, condition)
        if found is None:
            continue
        bars = None
        if found.low is not None and found.high is not None:
            bars = {
                "type": "data", "symmetric": False, "array": [found.high - found.mean],
                "arrayminus": [found.mean - found.low], "thickness": 2, "width": 6,
            }  # fmt: skip
        yield go.Scatter(
            x=[condition], y=[found.mean], mode="markers", error_y=bars,
            name=f"mean of {_people(found)}",
            marker={"size": 11, "color": COLOURS[place % len(COLOURS)]},
        )  # fmt: skip


def _people(found: MeanInterval) -> str:
    return f"{found.participants} participant{'s' * (found.participants != 1)}"


def _tell_differences(study: Study) -> Iterator[str]:
    """A table of the differences between conditions within participants."""
    rows = [
        (measure, first, second, found)
        for measure in study.measures
        for first, second, found in study.differences(measure)
    ]
    if not rows:
        return
    body = "\n".join(
        f"<tr><td>{measure.title}, {measure.scale}</td><td class=text>{escape(second)} minus "
        f"{escape(first)}</td><td>{found.mean:+.3g}</td><td>{_interval(found)}</td>"
        f"<td>{found.participants}</td></tr>"
        for measure, first, second, found in rows
    )
    yield (
        "<h2>Differences within participants</h2>\n<p>For participants with both conditions. Many "
        "measures are compared, and none was chosen beforehand, so some intervals exclude zero by "
        "chance.</p>\n<div class=wide><table><tr><th>measure</th><th class=text>conditions</th>"
        f"<th>mean</th><th>95 % interval</th><th>participants</th></tr>\n{body}</table></div>"
    )


def _interval(found: MeanInterval) -> str:
    if found.low is None or found.high is None:
        return "too few"
    return f"{found.low:+.3g} to {found.high:+.3g}"


def _draw_events(study: Study) -> Iterator[str]:
    """Averages around each event: a plot for each curve, a colour for each condition."""
    if not study.events:
        labels = list(event_labels(study).items())[:NAMED]
        if labels:
            named = ", ".join(f"“{escape(label)}” ({count})" for label, count in labels)
            yield (
                f"<h2>Events</h2>\n<p>Markers: {named}. With <code>--event LABEL</code>, this page "
                "shows the average curves around them.</p>"
            )
        return
    for event in dict.fromkeys(one.event for one in study.events):
        averages = [one for one in study.events if one.event == event]
        curves = [name for name in CURVES if any(one.curve == name for one in averages)]
        yield (
            f"<h2>Around “{escape(event)}”</h2>\n<p>Change from the mean before the event: "
            "averaged first over each participant's events, then over participants. Shaded: "
            f"95 % interval.</p>\n{_draw_event(study, averages, curves)}"
        )


def _draw_event(study: Study, averages: Sequence[EventAverage], curves: Sequence[str]) -> str:
    from plotly.subplots import make_subplots

    go = load_plotly()
    scales = {one.name: one.scale for one in MEASURES}
    figure = make_subplots(
        rows=len(curves), shared_xaxes=True, vertical_spacing=50 / (220 * len(curves)),
        subplot_titles=[f"{name.replace('_', ' ')}, {scales[name]}" for name in curves],
    )  # fmt: skip
    for one in averages:
        place = study.conditions.index(one.condition)
        colour, row = COLOURS[place % len(COLOURS)], curves.index(one.curve) + 1
        shaded = go.Scatter(
            x=[*one.seconds, *one.seconds[::-1]], y=[*one.high, *one.low[::-1]], fill="toself",
            mode="none", fillcolor=colour, opacity=0.15, hoverinfo="skip", showlegend=False,
            legendgroup=one.condition,
        )  # fmt: skip
        name = f"{one.condition} ({one.participants} participants, {one.events} events)"
        line = go.Scatter(
            x=one.seconds, y=one.mean, name=name, mode="lines", line={"color": colour},
            legendgroup=one.condition, showlegend=one.curve == curves[0],
        )  # fmt: skip
        figure.add_trace(shaded, row=row, col=1)
        figure.add_trace(line, row=row, col=1)
    figure.add_vline(x=0, line={"dash": "dot", "color": "#1c2024", "width": 1})
    figure.update_xaxes(title_text="seconds from the event", row=len(curves), col=1)
    figure.update_layout(
        height=90 + 220 * len(curves), template="plotly_white",
        margin={"l": 50, "r": 20, "t": 60, "b": 50}, legend={"orientation": "h", "y": 1.08},
    )  # fmt: skip
    return to_html(figure)


def _tell_sessions(study: Study) -> str:
    """How reliable each session is."""
    head = (
        "<tr><th>session</th><th class=text>fields</th><th>frames</th><th>coverage</th>"
        "<th>doubted</th><th>confidence</th><th>state quality</th><th class=text>remarks</th></tr>"
    )
    body = "\n".join(
        f"<tr><td>{escape(_session_name(one))}</td><td class=text>{escape(one.label())}</td>"
        f"<td>{one.quality.get('frames') or 0}</td>{_coverage(one.quality.get('coverage'))}"
        + "".join(f"<td>{_percent(one.quality.get(name))}</td>" for name in PERCENTS)
        + f"<td class=text>{escape('; '.join(one.notes))}</td></tr>"
        for one in study.sessions
    )
    note = (
        "<p>Coverage: share of frames that show the main face, highlighted below "
        f"{LOW_COVERAGE:.0%}. Doubted: share of its frames with a reason not to trust the "
        "expression.</p>"
    )
    note += "".join(f"\n<p>{escape(one)}.</p>" for one in study.notes)
    return f"<h2>Sessions</h2>\n{note}\n<div class=wide><table>{head}\n{body}</table></div>"


def _session_name(session: StudySession) -> str:
    """A session's name, or its path where sessions without a participant have one name."""
    return session.name if session.fields.get("participant") else session.participant


PERCENTS: Final = ("doubted", "confidence", "state_quality")


def _coverage(value: float | None) -> str:
    is_low = value is None or value < LOW_COVERAGE
    return f"<td{' class=low' * is_low}>{_percent(value)}</td>"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _tell_left_out(study: Study) -> Iterator[str]:
    if study.left_out:
        items = "\n".join(
            f"<li>{escape(path.name)}: {escape(reason)}</li>" for path, reason in study.left_out
        )
        yield f"<h2>Left out</h2>\n<ul>\n{items}\n</ul>"


METHOD: Final = f"""<h2>Method</h2>
<p class="note">Several sessions of a participant under one condition count as one, by their mean.
Intervals are 95 % percentile bootstrap intervals over participants ({RESAMPLES:,} resamples, fixed
seed) and need at least {FEWEST} participants. Expressions are what most people would call them,
predicted by a model that is right on seven faces in ten; they are not feelings. Nervousness was
validated only on public data of stress; drowsiness, looks away, PERCLOS and gaze were not
validated. Parts annotated as left out are excluded everywhere.</p>"""
