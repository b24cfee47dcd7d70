"""Accuracy and calibration by groups of faces, which a manifest's columns define."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.spreadsheet import escape_text, row_writer
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.row_table import NamedRows, read_named_rows
from affectline.training.evaluate import metrics

OPTION: Final = "--groups"
SMALL: Final = 30
"""Faces below which a group is called small: shown, but not compared with others."""
MOST: Final = 50
"""Groups of a column at most: a column with more is a number or a name."""
RESAMPLES: Final = 1000
"""Bootstrap resamples."""
SEED: Final = 0
NOT_GIVEN: Final = "(not given)"
"""The group of empty cells: shown, but not compared with others."""
KNOWN: Final = ("label", "Usage", "person", "usage_row")
"""Columns that are grouped by only if they are asked for."""
PERSON: Final = "person"
"""The column by which resamples are drawn, if the manifest has it."""
LEAST_PEOPLE: Final = 2
"""People of a group with intervals: one person does not show how others differ."""
_CHUNK: Final = 100


@dataclass(frozen=True)
class GroupManifest:
    """A manifest, and the columns to group by."""

    table: NamedRows
    columns: tuple[str, ...]


@dataclass(frozen=True)
class GroupedFaces:
    """The faces to evaluate, sorted into groups."""

    name: str
    """The manifest's."""
    key: str
    """The column by which it names faces."""
    listed: NDArray[np.bool_]
    """``(N,)``: which of the faces to evaluate are in the manifest."""
    people: NDArray[np.int64] | None
    """``(M,)``: who each listed face belongs to, if the manifest has the column."""
    unnamed: int
    """Listed faces whose person is not given; each counts as another person."""
    columns: dict[str, NDArray[np.str_]]
    """``(M,)`` by column: the group of each listed face."""
    left_out: dict[str, int]
    """Columns with too many values, and how many."""


def read_manifest(path: Path, by: Sequence[str] = ()) -> GroupManifest:
    """Read a manifest of faces, without the data.

    Args:
        path: A CSV file that names faces as `affectline.training.data.row_table` describes. Every
            other column defines groups.
        by: Columns to group by; empty: all but `KNOWN`.

    Raises:
        AffectlineError: It cannot be read, names no faces, or has no such column.
    """
    table = read_named_rows(path, OPTION, KNOWN)
    return GroupManifest(table, _choose_columns(path, table.columns, by))


def sort_faces(
    manifest: GroupManifest, everything: LabelledFaces, chosen: NDArray[np.int64]
) -> GroupedFaces:
    """Sort faces into the groups of a manifest.

    Args:
        manifest: The manifest.
        everything: All faces of the data.
        chosen: Indices of those to evaluate, ``(N,)``.

    Raises:
        AffectlineError: It names other faces, or has only columns with too many values. The message
            names the row and its value.
    """
    path, table = manifest.table.path, manifest.table.match(everything)
    places = np.full(len(everything), -1, np.int64)
    places[table.faces] = np.arange(len(table.faces))
    listed = places[chosen] >= 0
    if not listed.any():
        raise AffectlineError(
            f"{OPTION} {path}: none of the {len(chosen):,} evaluated faces is in it",
            "list the faces of these rows, or choose others with --split",
        )
    rows = [table.cells[place] for place in places[chosen][listed]]
    people, unnamed = None, 0
    if PERSON in table.columns:
        unnamed = sum(not cells[PERSON] for cells in rows)
        people = number_people([cells[PERSON] for cells in rows])
    columns, left_out = {}, {}
    for name in manifest.columns:
        values = np.array([cells[name] or NOT_GIVEN for cells in rows])
        distinct = np.unique(values)
        if len(distinct) > MOST:
            left_out[name] = len(distinct)
        else:
            columns[name] = values
    if not columns:
        name, count = next(iter(left_out.items()))
        raise AffectlineError(
            f"{OPTION} {path}: the column {name} has {count:,} different values",
            f"sort them into at most {MOST} groups first, such as 20-29, 30-39",
        )
    name = path.name.encode(errors="replace").decode()
    return GroupedFaces(name, table.key, listed, people, unnamed, columns, left_out)


def number_people(names: Sequence[str]) -> NDArray[np.int64]:
    """A number for each person; a face without a name counts as a person of its own.

    Args:
        names: The person of each face, empty if not given.

    Returns:
        ``(N,)``, from 0.
    """
    units = [(name, -1) if name else ("", face) for face, name in enumerate(names)]
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    return np.array([numbers[unit] for unit in units], np.int64)


def report(
    grouped: GroupedFaces,
    probabilities: NDArray[np.float64],
    emotions: NDArray[np.int64],
    sure: bool = True,
) -> dict[str, Any]:
    """Figures of every group, ready for JSON.

    Args:
        grouped: The faces that were evaluated, in groups.
        probabilities: Of these, ``(N, 7)``.
        emotions: Of these, ``(N,)``, 0 to 6.
        sure: Whether the probabilities say something about confidence.

    Returns:
        ``manifest``, ``matched_by``, ``faces`` (evaluated and listed), ``unlisted`` (evaluated, but
        not in the manifest), ``by_person``, ``unnamed`` (without a person), ``columns`` with
        ``groups`` and ``gap`` for each column, and ``left_out``, the columns with too many values.
    """
    listed, people = grouped.listed, grouped.people
    shares, labels = probabilities[listed], emotions[listed]
    return {
        "manifest": grouped.name,
        "matched_by": grouped.key,
        "faces": int(listed.sum()),
        "unlisted": int((~listed).sum()),
        "by_person": people is not None,
        "unnamed": grouped.unnamed,
        "columns": {
            name: _measure_column(values, shares, labels, people, sure)
            for name, values in grouped.columns.items()
        },
        "left_out": grouped.left_out,
    }


def _choose_columns(path: Path, there: Sequence[str], by: Sequence[str]) -> tuple[str, ...]:
    asked = [_find_column(path, there, name) for name in by]
    columns = tuple(dict.fromkeys(asked)) or tuple(name for name in there if name not in KNOWN)
    if not columns:
        raise AffectlineError(
            f"{OPTION} {path}: the file has no column to group by",
            "add one, such as age or light, or name one with --by",
        )
    return columns


def _find_column(path: Path, there: Sequence[str], asked: str) -> str:
    """The column of this name, or else the only one that differs from it in case alone."""
    alike = [name for name in there if name.lower() == asked.strip().lower()]
    if asked in there:
        return asked
    if len(alike) == 1:
        return alike[0]
    raise AffectlineError(
        f"--by {asked}: {path} has no such column", f"its columns are {', '.join(there)[:200]}"
    )


def _measure_column(
    values: NDArray[np.str_],
    shares: NDArray[np.float64],
    emotions: NDArray[np.int64],
    people: NDArray[np.int64] | None,
    sure: bool,
) -> dict[str, Any]:
    groups = [
        measure_group(
            str(name),
            shares[values == name],
            emotions[values == name],
            None if people is None else people[values == name],
            sure,
        )
        for name in np.unique(values)
    ]
    groups.sort(key=lambda one: (one["name"] == NOT_GIVEN, one["small"], -one["accuracy"]))
    right = shares.argmax(axis=1) == emotions
    return {"groups": groups, "gap": measure_gap(groups, values, right, people)}


def measure_group(
    name: str,
    shares: NDArray[np.float64],
    emotions: NDArray[np.int64],
    people: NDArray[np.int64] | None = None,
    sure: bool = True,
) -> dict[str, Any]:
    """Figures of one group, with intervals of 95 %.

    Args:
        name: Its name.
        shares: Probabilities ``(N, 7)``; N above 0.
        emotions: ``(N,)``, 0 to 6.
        people: ``(N,)``, who each face belongs to; resamples then draw people, not faces.
        sure: Whether probabilities say something about confidence.

    Returns:
        ``accuracy`` with Wilson's interval, ``macro_f1`` over the emotions that occur in the group,
        and ``calibration_error``, both with percentiles of the bootstrap, or ``None`` if there is
        one person, or one face: nothing could be drawn but that again; and
        ``calibration_by_chance``: the calibration error that a perfectly calibrated model stays
        below in 95 % of groups of this size. It is not 0: the error of few faces is never.
    """
    right = shares.argmax(axis=1) == emotions
    counts = metrics.confusion(shares, emotions)
    hits, rows = int(right.sum()), len(emotions)
    random = np.random.default_rng(SEED)
    f1s, errors = _resample(shares, emotions, people, random)
    found: dict[str, Any] = {
        "name": name,
        "rows": rows,
        "small": rows < SMALL,
        "accuracy": hits / rows,
        "interval": list(metrics.wilson(hits, rows)),
        "macro_f1": _macro_f1(counts.reshape(1, -1).astype(float))[0],
        "macro_f1_interval": _ends(f1s),
    }
    if people is not None:
        found["people"] = len(np.unique(people))
    if sure:
        found |= {
            "mean_confidence": float(shares.max(axis=1).mean()),
            "calibration_error": metrics.calibration_error(shares, emotions),
            "calibration_interval": _ends(errors),
            "calibration_by_chance": _calibration_by_chance(shares, random),
        }
    return found


def _ends(values: NDArray[np.float64]) -> list[float] | None:
    """The percentiles of 95 %; ``None`` without resamples."""
    if not len(values):
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return [float(low), float(high)]


def _resample(
    shares: NDArray[np.float64],
    emotions: NDArray[np.int64],
    people: NDArray[np.int64] | None,
    random: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Macro F1 and calibration error of resamples of the faces, or of the people.

    Both are empty if there is only one of these, because all resamples would be alike.
    """
    size = len(LABELS)
    cells = np.eye(size * size)[emotions * size + shares.argmax(axis=1)]
    bins = np.eye(metrics.BINS)[metrics.bins_of(shares.max(axis=1))]
    gaps = bins * (shares.max(axis=1) - (shares.argmax(axis=1) == emotions))[:, None]
    unit = np.arange(len(emotions)) if people is None else np.unique(people, return_inverse=True)[1]
    count = int(unit.max()) + 1
    if count < LEAST_PEOPLE:
        return np.empty(0), np.empty(0)
    f1s, errors = [], []
    for _ in range(RESAMPLES // _CHUNK):
        drawn = random.multinomial(count, np.full(count, 1 / count), _CHUNK)[:, unit].astype(float)
        f1s.append(_macro_f1(drawn @ cells))
        total = np.maximum(drawn.sum(axis=1), 1)
        errors.append(np.abs(drawn @ gaps).sum(axis=1) / total)
    return np.concatenate(f1s), np.concatenate(errors)


def _macro_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean F1 over the emotions that occur, of confusion counts ``(R, 49)``."""
    size = len(LABELS)
    tables = counts.reshape(-1, size, size)
    rows, given = tables.sum(axis=2), tables.sum(axis=1)
    hits = np.diagonal(tables, axis1=1, axis2=2)
    f1 = np.where(rows > 0, 2 * hits / np.maximum(rows + given, 1e-12), 0)
    return np.asarray(f1.sum(axis=1) / np.maximum((rows > 0).sum(axis=1), 1))


def _calibration_by_chance(shares: NDArray[np.float64], random: np.random.Generator) -> float:
    """What a perfectly calibrated model's calibration error stays below in 95 % of draws."""
    confidence = shares.max(axis=1)
    bins = np.eye(metrics.BINS)[metrics.bins_of(confidence)]
    errors = []
    for _ in range(RESAMPLES // _CHUNK):
        right = random.random((_CHUNK, len(confidence))) < confidence
        errors.append(np.abs((right - confidence) @ bins).sum(axis=1) / len(confidence))
    return float(np.quantile(np.concatenate(errors), 0.95))


def measure_gap(
    groups: Sequence[dict[str, Any]],
    values: NDArray[np.str_],
    right: NDArray[np.bool_],
    people: NDArray[np.int64] | None = None,
) -> dict[str, Any] | None:
    """The difference in accuracy between the best and the worst group that have a name.

    Args:
        groups: Figures of all groups; small ones and `NOT_GIVEN` are not compared.
        values: ``(N,)``, the group of each face.
        right: ``(N,)``, whether the model is right.
        people: ``(N,)``, who each face belongs to; None: each to another person.

    Returns:
        ``best`` and ``worst``, the ``accuracy`` between them, its ``interval`` for these two groups
        (Newcombe 1998, method 10; with ``people`` a bootstrap of these), and ``by_chance``: the gap
        that groups of these sizes stay below in 95 % of cases if faces, or whole people, are
        assigned to them at random. The worst of many groups is bad by chance as well, so only a gap
        above that says something. Both are ``None`` if one of the two groups is of one person,
        whom ``alone`` then names. ``None`` if fewer than two groups are large enough.
    """
    large = [group for group in groups if not group["small"] and group["name"] != NOT_GIVEN]
    if len(large) < 2:
        return None
    best = max(large, key=lambda group: float(group["accuracy"]))
    worst = min(large, key=lambda group: float(group["accuracy"]))
    kept = np.isin(values, [group["name"] for group in large])
    member = np.array([values[kept] == group["name"] for group in large], float)
    hits = right[kept].astype(float)
    random = np.random.default_rng(SEED)
    named = np.arange(len(hits)) if people is None else people[kept]
    who = np.unique(named, return_inverse=True)[1]
    two = [large.index(best), large.index(worst)]
    found = {
        "best": best["name"],
        "worst": worst["name"],
        "accuracy": best["accuracy"] - worst["accuracy"],
    }
    alone = [large[at]["name"] for at in two if len(np.unique(who[member[at] > 0])) < LEAST_PEOPLE]
    if alone:
        return found | {"interval": None, "by_chance": None, "alone": alone}
    shares = _shuffle(who, hits, member, random)
    interval = (
        _newcombe(best, worst) if people is None else _resample_gap(who, hits, member[two], random)
    )
    apart = shares.max(axis=1) - shares.min(axis=1)
    return found | {
        "interval": interval, "by_chance": float(np.nanquantile(apart, 0.95)), "alone": [],
    }  # fmt: skip


def _shuffle(
    who: NDArray[np.int64],
    hits: NDArray[np.float64],
    member: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Accuracy of each group if groups are assigned at random.

    The faces of one person are alike. So groups that divide people, such as age, are assigned to
    whole people; groups that divide the faces of a person, such as light, to faces of that person.

    Args:
        who: ``(N,)``, who each face belongs to, from 0.
        hits: ``(N,)``, 1 where the model is right.
        member: ``(G, N)``, 1 where a face is in a group.
        random: Where chance comes from.

    Returns:
        ``(RESAMPLES, G)``.
    """
    by_person = np.array([np.bincount(who, group) for group in member], float)
    if (np.count_nonzero(by_person, axis=0) == 1).all():
        order = random.permuted(np.tile(np.arange(by_person.shape[1]), (RESAMPLES, 1)), axis=1)
        groups = (by_person > 0).astype(float).T
        right, faces = np.bincount(who, hits), by_person.sum(axis=0)
        return np.asarray(right[order] @ groups / (faces[order] @ groups))
    place = np.argsort(who, kind="stable")
    member = member[:, place]
    shuffled = np.array(
        [hits[np.lexsort((random.random(len(who)), who))] for _ in range(RESAMPLES)]
    )
    return np.asarray(shuffled @ member.T / member.sum(axis=1))


def _resample_gap(
    who: NDArray[np.int64],
    hits: NDArray[np.float64],
    member: NDArray[np.float64],
    random: np.random.Generator,
) -> list[float]:
    """The 95 % interval of the difference of two groups in resamples of the people."""
    count = int(who.max()) + 1
    drawn = random.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    right = [drawn @ np.bincount(who, group * hits, count) for group in member]
    faces = [drawn @ np.bincount(who, group, count) for group in member]
    with np.errstate(invalid="ignore"):  # a resample without anybody of a group
        best, worst = (one / all_ for one, all_ in zip(right, faces, strict=True))
    low, high = np.nanquantile(best - worst, [0.025, 0.975])
    return [float(low), float(high)]


def _newcombe(best: dict[str, Any], worst: dict[str, Any]) -> list[float]:
    (low, high), (other_low, other_high) = best["interval"], worst["interval"]
    share, other = best["accuracy"], worst["accuracy"]
    below = np.hypot(share - low, other_high - other)
    above = np.hypot(high - share, other - other_low)
    return [float(share - other - below), float(share - other + above)]


FIELDS: Final = (
    "rows",
    "small",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "macro_f1_low",
    "macro_f1_high",
    "mean_confidence",
    "calibration_error",
    "calibration_low",
    "calibration_high",
    "calibration_by_chance",
)
"""Columns of ``groups.csv`` after ``column`` and ``group``."""


def to_csv(figures: dict[str, Any]) -> str:
    """All groups as CSV: shares are 0 to 1, empty where unknown."""
    text = io.StringIO(newline="")
    table = row_writer(text)
    table.writerow(("column", "group", *FIELDS))
    for column, found in figures["columns"].items():
        for group in found["groups"]:
            table.writerow((escape_text(column), escape_text(group["name"]), *_cells(group)))
    return text.getvalue()


def _cells(group: dict[str, Any]) -> Iterator[str]:
    pairs = {
        "accuracy": group["interval"],
        "macro_f1": group["macro_f1_interval"] or ("", ""),
        "calibration": group.get("calibration_interval") or ("", ""),
    }
    for field in FIELDS:
        value = group.get(field, "")
        for name, (low, high) in pairs.items():
            if field == f"{name}_low":
                value = low
            elif field == f"{name}_high":
                value = high
        if isinstance(value, bool):
            yield "yes" if value else "no"
        else:
            yield f"{value:.6f}" if isinstance(value, float) else str(value)


def describe(figures: dict[str, Any]) -> list[str]:
    """What to know about the groups, in sentences."""
    said = [
        f"{figures['faces']:,} faces are in {figures['manifest']}, by the column "
        f"{figures['matched_by']}."
    ]
    if figures["unlisted"]:
        said.append(f"{figures['unlisted']:,} evaluated faces are not, and are left out here.")
    if unnamed := figures.get("unnamed"):
        said.append(
            f"{unnamed:,} {'face has' if unnamed == 1 else 'faces have'} no person: each counts as "
            "another one."
        )
    for name, count in figures["left_out"].items():
        said.append(
            f"The column {name} has {count:,} different values and is left out; at most {MOST} "
            "groups are compared."
        )
    for column, found in figures["columns"].items():
        small = [
            group["name"]
            for group in found["groups"]
            if group["small"] and group["name"] != NOT_GIVEN
        ]
        if small:
            some = ", ".join(small[:5]) + (", ..." if len(small) > 5 else "")
            said.append(
                f"{column}: {len(small)} group{'s have' if len(small) > 1 else ' has'} fewer than "
                f"{SMALL} faces ({some}): shown, but not compared."
            )
        unnamed = [group["rows"] for group in found["groups"] if group["name"] == NOT_GIVEN]
        if unnamed:
            said.append(f"{column}: {unnamed[0]:,} faces have none: shown, but not compared.")
        alone = [group["name"] for group in found["groups"] if group.get("people") == 1]
        if alone:
            some = ", ".join(alone[:5]) + (", ..." if len(alone) > 5 else "")
            said.append(
                f"{column}: {len(alone)} group{'s are' if len(alone) > 1 else ' is'} of one person "
                f"({some}): macro F1 and calibration error have no interval there, because other "
                "people may differ."
            )
        said.append(f"{column}: {_describe_gap(found['gap'], by_person=figures['by_person'])}")
    return said


def _describe_gap(gap: dict[str, Any] | None, *, by_person: bool) -> str:
    if gap is None:
        return f"no two named groups have {SMALL} faces or more, so there is no gap to report."
    if gap["interval"] is None:
        return (
            f"accuracy differs by {100 * gap['accuracy']:.1f} points between {gap['best']} (best) "
            f"and {gap['worst']} (worst), but {' and '.join(gap['alone'])} "
            f"{'is' if len(gap['alone']) == 1 else 'are'} of one person, so whether this is the "
            "group or the person cannot be told: no interval (-), and nothing by chance (-)."
        )
    low, high = gap["interval"]
    beyond = "more" if gap["accuracy"] > gap["by_chance"] else "not more"
    return (
        f"accuracy differs by {100 * gap['accuracy']:.1f} points between {gap['best']} (best) and "
        f"{gap['worst']} (worst), 95% interval {100 * low:.1f} to {100 * high:.1f}; {beyond} than "
        f"the {100 * gap['by_chance']:.1f} points that chance alone gives to groups of these sizes"
        + ("." if by_person else ", if each face is another person.")
    )
