"""Columns for a person's drowsiness and looking away, neither validated on drivers."""

from collections.abc import Iterator
from typing import Any, Final

from affectline.common.wire.biometrics import Drowsiness, OffRoad, SignalContribution, State
from affectline.services.sessions.table_column import DEGREES, Cells, Row, TableColumn

_SINCE: Final = 2
NOT_VALIDATED: Final = "; not validated on drivers"
CONTRIBUTIONS: Final = {
    "drowsiness": {"perclos": "1", "blink_duration": "ms"},
    "off_road": {"yaw": "deg", "pitch": "deg"},
}
"""By signal: its contributions, and their units on the wire."""
_UNITS: Final = {"1": "0 to 1", "ms": "ms", "deg": DEGREES}
_POINTS: Final = {"drowsiness": "points of the level", "off_road": "% of the known time"}
_MEANINGS: Final = {
    "perclos": "PERCLOS, the share of the last 60 s with shut eyes",
    "blink_duration": "median duration of the blinks of the last 60 s",
    "yaw": "turn of the head, positive to the person's own left",
    "pitch": "lift of the head, positive upwards",
}


def _own(signal: str, *columns: tuple[Any, ...]) -> Iterator[TableColumn]:
    for name, kind, unit, description, digits in columns:
        yield TableColumn(f"{signal}_{name}", kind, unit, description, digits, _SINCE)
    for name, unit in CONTRIBUTIONS[signal].items():
        prefix, shown = f"{signal}_{name}", _UNITS[unit]
        for suffix, kind, its_unit, description, digits in (
            ("value", "number", shown, _MEANINGS[name], 4),
            ("baseline", "number", shown, "the usual value of this person", 4),
            ("contribution", "number", _POINTS[signal], f"what it adds to {signal}", 4),
            ("quality", "number", "0 to 1", "how reliable it is", 6),
            ("reason", "text", "", "why its quality is not 1", None),
        ):
            yield TableColumn(f"{prefix}_{suffix}", kind, its_unit, description, digits, _SINCE)  # type: ignore[arg-type]


DRIVER_COLUMNS: Final = (
    *_own(
        "drowsiness",
        ("level", "number", "0 to 100",
         "how drowsy the lids look: from 30 questionable, from 60 drowsy; not a probability; empty "
         "if PERCLOS is unknown" + NOT_VALIDATED, 4),
        ("quality", "number", "0 to 1", "how reliable the measurement of the lids is", 6),
        ("long_blinks", "integer", "",
         "blinks of half a second or more in the last 60 s" + NOT_VALIDATED, None),
        ("reason", "text", "", "why its quality is not 1", None),
    ),
    *_own(
        "off_road",
        ("now", "text", "",
         "where the person looks, by head pose: `learning` (of the usual direction), `ahead`, "
         "`away`, `unknown`" + NOT_VALIDATED, None),
        ("now_s", "number", "s", "for how long", 3),
        ("share", "number", "0 to 1",
         "time spent looking away as a share of the known time in the last 60 s; empty while less "
         "than 10 s are known" + NOT_VALIDATED, 6),
        ("longest_s", "number", "s", "longest glance away in the last 60 s" + NOT_VALIDATED, 3),
        ("long_glances", "integer", "", "glances of more than 2 s among them" + NOT_VALIDATED,
         None),
        ("unknown", "number", "0 to 1",
         "share of the last 60 s in which the direction was unknown", 6),
        ("known_s", "number", "s", "0 to 60: seconds of the last 60 s with known direction", 3),
        ("usual_s", "number", "s", "seconds behind the usual direction", 3),
        ("quality", "number", "0 to 1", "how reliable the share is", 6),
        ("reason", "text", "", "why its quality is not 1", None),
    ),
)  # fmt: skip
_OWN_FIELDS: Final = {
    signal: tuple(name for name in kind.model_fields if name != "contributions")
    for signal, kind in (("drowsiness", Drowsiness), ("off_road", OffRoad))
}
"""Fields of both that become columns unchanged."""


def driver_cells(state: State) -> Row:
    """Cells of `DRIVER_COLUMNS`; all None if nothing was measured."""
    cells = {**_cells_of("drowsiness", state.drowsiness), **_cells_of("off_road", state.off_road)}
    return tuple(cells.get(column.name) for column in DRIVER_COLUMNS)


def _cells_of(signal: str, found: Drowsiness | OffRoad | None) -> Cells:
    if found is None:
        return {}
    cells = {f"{signal}_{name}": getattr(found, name) for name in _OWN_FIELDS[signal]}
    for name, one in found.contributions.items():
        for field in ("value", "baseline", "contribution", "quality", "reason"):
            cells[f"{signal}_{name}_{field}"] = getattr(one, field)
    return {name: None if value == "" else value for name, value in cells.items()}


def read_driver(row: Cells) -> dict[str, Any]:
    """``drowsiness`` and ``off_road`` of a `State` from its row, if it has them.

    Raises:
        ValidationError: A value is out of range.
    """
    found: dict[str, Any] = {}
    for signal, kind in (("drowsiness", Drowsiness), ("off_road", OffRoad)):
        if row.get(f"{signal}_quality") is None:
            continue
        fields = {name: row[f"{signal}_{name}"] for name in _OWN_FIELDS[signal]}
        fields["reason"] = fields["reason"] or ""
        found[signal] = kind(**fields, contributions=_read_contributions(row, signal))
    return found


def _read_contributions(row: Cells, signal: str) -> dict[str, SignalContribution]:
    return {
        name: SignalContribution(
            value=row[f"{signal}_{name}_value"], unit=unit,
            baseline=row[f"{signal}_{name}_baseline"],
            contribution=row[f"{signal}_{name}_contribution"],
            quality=row[f"{signal}_{name}_quality"], reason=row[f"{signal}_{name}_reason"] or "",
        )
        for name, unit in CONTRIBUTIONS[signal].items()
        if row[f"{signal}_{name}_quality"] is not None
    }  # fmt: skip
