"""Stretches of a session in which a person showed a known expression."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.services.sessions.edits import Annotation

SETTLE_S: Final = 1.0
"""After a marker, how long people may take to change their expression, in s."""
LONGEST_S: Final = 60.0
"""How long a marker holds at most, if no other follows, in s."""
LEAST_S: Final = 2.0
"""Minimum length of a stretch in s: it is divided into blocks of time for the cross-validation."""
ROUNDED_S: Final = 1.0
"""How much later than the last frame a stretch may end, in s."""
_RANGE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)s?(?:\.\.|-)(\d{1,6}(?:\.\d{1,6})?)s?")


class ShownExpression(NamedTuple):
    """A stretch of time with one expression, in s from the session's start."""

    label: str
    begin_s: float
    end_s: float


class SetMarker(NamedTuple):
    """A marker, in s from the session's start."""

    at_s: float
    label: str


def parse_stretch(label: str, text: str) -> ShownExpression:
    """Parse the value of an option such as ``--happy 10..15``, or ``10-15``.

    Raises:
        AffectlineError: It is not a range of at least `LEAST_S`.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise AffectlineError(
            f"--{label} {text[:40]!r}: not a range of seconds", f"such as --{label} 10..15"
        )
    begin_s, end_s = float(found[1]), float(found[2])
    if end_s < begin_s:
        raise AffectlineError(
            f"--{label} {text}: ends before it begins", f"such as --{label} {found[2]}..{found[1]}"
        )
    if end_s - begin_s < LEAST_S:
        raise AffectlineError(
            f"--{label} {text}: {end_s - begin_s:g} s",
            f"name at least {LEAST_S:g} s of the expression",
        )
    return ShownExpression(label, begin_s, end_s)


def find_stretches(
    markers: Iterable[SetMarker], annotations: Sequence[Annotation]
) -> list[ShownExpression]:
    """The stretches that a session's own markers and annotations name.

    A marker with an expression's name begins a stretch, which lasts until the next marker, at most
    `LONGEST_S`. An annotation with such a name is one. Stretches shorter than `LEAST_S` are left
    out.

    Args:
        markers: The session's markers.
        annotations: Its annotations.
    """
    ordered = sorted(markers)
    ends = [marker.at_s for marker in ordered[1:]]
    found = [
        ShownExpression(marker.label, marker.at_s + SETTLE_S, min(end_s, marker.at_s + LONGEST_S))
        for marker, end_s in zip(ordered, [*ends, float("inf")], strict=False)
        if marker.label in LABELS
    ]
    found += [
        ShownExpression(one.label, one.begin_s, one.end_s)
        for one in annotations
        if one.label in LABELS
    ]
    return [one for one in found if one.end_s - one.begin_s >= LEAST_S]


def check_within(stretches: Iterable[ShownExpression], end_s: float, what: str) -> None:
    """Check that stretches that a user has named do not last longer than what they are in.

    Args:
        stretches: The stretches.
        end_s: The end, in s from the session's start; it may be rounded up to `ROUNDED_S` more.
        what: What ends then, such as "film".

    Raises:
        AffectlineError: One does.
    """
    for label, begin, end in stretches:
        if end > end_s + ROUNDED_S:
            raise AffectlineError(
                f"--{label} {begin:g}..{end:g}: the {what} ends at {end_s:.1f} s",
                f"name at least {LEAST_S:g} s of it",
            )


def check_apart(stretches: Sequence[ShownExpression]) -> None:
    """Check that no moment is said to show two expressions.

    Raises:
        AffectlineError: Two stretches overlap.
    """
    ordered = sorted(stretches, key=lambda one: one.begin_s)
    for one, following in pairwise(ordered):
        if following.begin_s < one.end_s:
            raise AffectlineError(
                f"{one.label} {one.begin_s:g}..{one.end_s:g} and {following.label} "
                f"{following.begin_s:g}..{following.end_s:g} overlap",
                "name each second once",
            )
