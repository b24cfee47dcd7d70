"""Writes the shipped model's figures into the README and the docs, from its manifest.

    python -m affectline.training.export.shipped_figures README.md docs/models.md

A page says where, between ``<!-- figures of the model: ... -->`` and ``<!-- end of figures -->``.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill as wrap
from typing import Any, Final

from affectline.common.labels import LABELS
from affectline.common.model.artifact import Manifest, load

PART: Final = re.compile(
    r"(<!-- figures of the model: (\w+) -->\n).*?(?=<!-- end of figures -->)", re.DOTALL
)
WIDTH: Final = 128
"""Columns of a paragraph."""
GOOD: Final = 0.8
"""From this F1 on, an emotion counts as recognized well."""
POOR: Final = 0.6
"""Below this F1, an emotion counts as recognized poorly."""


def fill(text: str, manifest: Manifest) -> str:
    """A page with its parts about the model's figures written again.

    Args:
        text: The page in Markdown.
        manifest: The manifest of the model that is shipped.
    """
    return PART.sub(lambda match: match[1] + PARTS[match[2]](manifest), text)


def describe_accuracy(manifest: Manifest) -> str:
    """The README's paragraph about accuracy."""
    found = _private(manifest)
    by_f1 = sorted(LABELS, key=lambda label: -found["f1"][label])
    good = _list([label for label in by_f1 if found["f1"][label] >= GOOD], found)
    poor = _list([label for label in by_f1 if found["f1"][label] < POOR], found)
    each = found["rows"] / max(1, found["rows"] - found["without_twins_rows"])
    paragraphs = (
        "By default (`--answer consensus`, the mean of the two answers below) it agrees with the "
        f"majority of FER+'s ten annotators on **{found['consensus_ferplus_accuracy']:.1%} of "
        "FER2013's private test faces**, and with FER2013's labels on "
        f"{found['consensus_accuracy']:.1%}. Its confidence lies between the two: the majority "
        "agrees more often than it says (by "
        f"{100 * found['consensus_ferplus_calibration_error']:.1f} percentage points in the mean), "
        "the labels less often.",
        f"Asked for FER2013's labels (`--answer labels`), **it is right on "
        f"{found['accuracy']:.1%}** in one pass, where always predicting the most frequent emotion "
        "gives 25 % and people agree with the labels on about 65 %; on "
        f"{found['mirror_accuracy']:.1%} with the mirror image beside it. One test face in "
        f"{each:.0f} has a near duplicate in the training set; on the others it is right on "
        f"{found['without_twins_accuracy']:.1%}. It is good at {good}"
        + (f", and poor at {poor}." if poor else ".")
        + " This answer's confidence is calibrated: of faces with a confidence of 70 %, about 70 % "
        f"are right (calibration error {found['calibration_error']:.1%}). Asked what most people "
        f"would say (`--answer votes`), it agrees with FER+'s majority on "
        f"{found['votes_accuracy']:.1%}.",
    )
    return "\n\n".join(wrap(text, WIDTH) for text in paragraphs) + "\n"


def tabulate_answers(manifest: Manifest) -> str:
    """The table of the three answers."""
    found = _private(manifest)
    columns = {
        "labels": ("accuracy", "ferplus_accuracy", "calibration_error"),
        "votes": ("votes_labels_accuracy", "votes_accuracy", "votes_calibration_error"),
        "consensus": (
            "consensus_accuracy",
            "consensus_ferplus_accuracy",
            "consensus_ferplus_calibration_error",
        ),
    }
    lines = [
        "| `--answer` | right by FER2013's labels | right by FER+'s majority | calibration error |",
        "| --- | ---: | ---: | ---: |",
    ]
    for answer, names in columns.items():
        shares = " | ".join(f"{found[name]:.1%}" for name in names)
        lines.append(f"| `{answer}` | {shares} |")
    return "\n".join(lines) + "\n"


PARTS: Final = {"accuracy": describe_accuracy, "answers": tabulate_answers}


def _private(manifest: Manifest) -> Mapping[str, Any]:
    found: Mapping[str, Any] = manifest.metrics["litert-int8"]["PrivateTest"]
    return found


def _list(labels: Sequence[str], found: Mapping[str, Any]) -> str:
    """``happy (F1 0.91) and surprise (0.81)``."""
    named = [
        f"{label} ({'F1 ' if place == 0 else ''}{found['f1'][label]:.2f})"
        for place, label in enumerate(labels)
    ]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def main() -> None:
    """Write the figures into the pages that are named."""
    manifest = load().manifest
    for path in map(Path, sys.argv[1:]):
        path.write_text(fill(path.read_text(encoding="utf-8"), manifest), encoding="utf-8")


if __name__ == "__main__":
    main()
