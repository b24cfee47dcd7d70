"""``affectline-train data check``."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from rich.table import Table

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS, USAGES
from affectline.training.cli.console import describe_spellings, output, show_progress
from affectline.training.data.problems import DataProblem
from affectline.training.data.splits import SPLIT_BY, Split

if TYPE_CHECKING:
    from affectline.training.data.faces import LabelledFaces, ParsedFaces

data = typer.Typer(help="Check a dataset before training.", no_args_is_help=True)

SHOWN: Final = 20
"""Number of problems printed for each kind; the JSON output has all."""
TITLES: Final = {
    "file": "Data that cannot be read to the end",
    "columns": "Missing columns",
    "fields": "Rows with more fields than the header",
    "pixels": "Rows with other than 2304 pixels",
    "value": "Pixels that are not whole numbers from 0 to 255",
    "emotion": "Emotions outside 0 to 6",
    "usage": "Unknown Usage",
    "label": "Unknown labels",
    "path": "Files outside the folder",
    "picture": "Pictures that cannot be read",
    "twice": "Files listed twice",
    "votes": "FER+ votes that do not match the data",
}

USED_FOR: Final = {
    Split.TRAINING: "fit cannot begin",
    Split.PUBLIC_TEST: "fit cannot begin",
    Split.PRIVATE_TEST: "evaluate and the model card have nothing to measure on",
}
"""What is not possible without rows of a split."""
RULES: Final = {
    "Usage": "by Usage",
    "person": "by person",
    "bytes": "by the files' bytes (a person may be in several splits)",
}
"""What decided a split, in words."""


@data.command("check")
def check(
    path: Annotated[
        Path, typer.Argument(help="FER2013's CSV file, compressed or not, or a folder of pictures.")
    ],
    votes: Annotated[Path | None, typer.Option(help="FER+ votes for FER2013's rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List all rows or pictures that cannot be used (exit code 1 if any) and summarise the rest.

    Example: `affectline-train data check fer2013.csv.xz --votes ferplus_votes.csv`
    """
    problems: list[DataProblem] = []
    with show_progress() as progress:
        from affectline.training.data import dataset

        task = progress.add_task(f"Checking {path.name}", total=100)
        parsed = dataset.read(
            path,
            problems.append,
            progress=lambda share: progress.update(task, completed=100 * share),
        )
        progress.update(task, completed=100)
        if votes is not None:
            parsed = add_votes(parsed, path, votes, problems)
    if not parsed.total and len(problems) == 1 and not as_json:
        only = problems[0]
        raise AffectlineError(describe_problem(only), only.fix)
    figures = summarise(parsed)
    if as_json:
        content = {"data": path.name, **figures, "problems": problems_as_json(problems)}
        # ASCII, because file names may contain bytes that are not valid text.
        output.print_json(data=content, ensure_ascii=True)
    else:
        show_problems(problems)
        show_summary(figures, votes is not None)
    if problems:
        raise typer.Exit(1)


def add_votes(
    parsed: "ParsedFaces", path: Path, votes: Path, problems: list[DataProblem]
) -> "ParsedFaces":
    """Add votes to the data; votes that do not match are reported as a problem."""
    from affectline.training.data import ferplus

    try:
        ferplus.check_votes_fit(path)
        shares = ferplus.match_votes(parsed, votes)
    except AffectlineError as error:
        problems.append(DataProblem("votes", error.problem, error.fix))
        return parsed
    return replace(parsed, faces=replace(parsed.faces, votes=shares))


def describe_problem(problem: DataProblem) -> str:
    """A problem as text, without ``--data``: this command has an argument instead."""
    return str(problem).replace("--data ", "", 1)


def problems_as_json(problems: list[DataProblem]) -> list[dict[str, Any]]:
    """Problems as in the JSON output."""
    return [
        {
            "kind": each.kind,
            "row": each.row,
            "file": each.file or None,
            "text": describe_problem(each),
        }
        for each in problems
    ]


def summarise(parsed: "ParsedFaces") -> dict[str, Any]:
    """A summary of the usable data, as in the JSON output."""
    faces, sides = parsed.faces, parsed.sides
    rules = Counter(parsed.split_by.tolist())
    pairs = Counter(zip(faces.usages.tolist(), faces.emotions.tolist(), strict=True))
    blank = (faces.pixels == faces.pixels[:, :1, :1]).all(axis=(1, 2))
    spread = (sides.min(), np.median(sides), sides.max()) if len(sides) else (0, 0, 0)
    return {
        "rows": parsed.total,
        "usable": len(faces),
        "counts": {
            split: {label: pairs[split, index] for index, label in enumerate(LABELS)}
            for split in USAGES
        },
        "split_by": {rule: rules[rule] for rule in SPLIT_BY},
        "missing_splits": [name for name in USED_FOR if not faces.rows(name).any()],
        "people_alike": describe_spellings(faces.people),
        "with_votes": int((faces.votes.sum(axis=1) > 0).sum()),
        "blank": [name for name, is_blank in zip(faces.sources, blank, strict=True) if is_blank],
        "repeated": find_repeats(faces),
        "sides": {
            name: int(side) for name, side in zip(("min", "median", "max"), spread, strict=True)
        },
    }


def find_repeats(faces: "LabelledFaces") -> dict[str, Any]:
    """Pictures that occur more than once, compared at 48x48 in gray."""
    groups = defaultdict(list)
    for index, picture in enumerate(faces.pixels):
        groups[hashlib.blake2b(picture.tobytes(), digest_size=16).digest()].append(index)
    several = [indices for indices in groups.values() if len(indices) > 1]
    across = [indices for indices in several if len(set(faces.usages[indices])) > 1]
    differing = [indices for indices in several if len(set(faces.emotions[indices])) > 1]
    return {
        "pictures": sum(len(indices) - 1 for indices in several),
        "across_splits": len(across),
        "with_different_labels": len(differing),
        "groups": [[_described(faces, index) for index in indices] for indices in several],
    }


def _described(faces: "LabelledFaces", index: int) -> dict[str, str]:
    return {
        "source": faces.sources[index],
        "split": str(faces.usages[index]),
        "label": LABELS[faces.emotions[index]],
    }


def print_line(text: str) -> None:
    """Print a line unchanged, without wrapping it."""
    output.print(text, markup=False, highlight=False, soft_wrap=True)


def show_problems(problems: list[DataProblem]) -> None:
    """Print the problems by kind, the first of each kind in full."""
    for kind, title in TITLES.items():
        found = [problem for problem in problems if problem.kind == kind]
        if not found:
            continue
        print_line(f"{title}: {len(found)}")
        for problem in found[:SHOWN]:
            print_line(f"  {describe_problem(problem)}")
        if len(found) > SHOWN:
            print_line(f"  and {len(found) - SHOWN} more")
        for fix in dict.fromkeys(problem.fix for problem in found):
            print_line(f"  ({fix})")
        print_line("")


def show_summary(figures: dict[str, Any], votes: bool) -> None:
    """Print the number of faces by label and split, and statistics about them."""
    counts = figures["counts"]
    if figures["usable"]:
        table = Table("", *counts, "all")
        for column in table.columns[1:]:
            column.justify = "right"
        for label in LABELS:
            row = [split[label] for split in counts.values()]
            table.add_row(label, *map(str, row), str(sum(row)))
        table.add_section()
        sums = [sum(split.values()) for split in counts.values()]
        table.add_row("all", *map(str, sums), str(sum(sums)))
        output.print(table)
    print_line(f"usable rows: {figures['usable']} of {figures['rows']}")
    for name in figures["missing_splits"]:
        print_line(f"no {name} rows: {USED_FOR[name]}; the column Usage names splits")
    for sentence in figures["people_alike"]:
        print_line(f"warning: {sentence}")
    for rule, count in figures["split_by"].items():
        if count:
            print_line(f"rows split {RULES[rule]}: {count}")
    if votes:
        print_line(f"rows with FER+ votes: {figures['with_votes']}")
    sides = figures["sides"]
    if sides["min"] < sides["max"]:
        print_line(
            f"longer sides: {sides['min']} to {sides['max']} pixels, median {sides['median']}"
        )
    repeated = figures["repeated"]
    print_line(f"pictures that repeat another: {repeated['pictures']}")
    print_line(f"pictures in several splits: {repeated['across_splits']}")
    print_line(f"pictures with several labels: {repeated['with_different_labels']}")
    print_line(f"blank pictures: {len(figures['blank'])}{list_first(figures['blank'])}")


def list_first(names: list[str]) -> str:
    """The first names of a list, in parentheses."""
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" ({', '.join(names[:SHOWN])}{more})"
