"""``affectline-train evaluate``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra
from affectline.common.labels import LABELS
from affectline.common.model.answer import Answer, parse_answer
from affectline.common.model.artifact import Artifact, load, to_probabilities
from affectline.common.model.litert import open_litert
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.training.cli.console import output, show_progress
from affectline.training.cli.data_option import ArtifactOption, read_data
from affectline.training.data.near_duplicates import describe_near_duplicates, has_near_duplicates
from affectline.training.data.splits import Split

if TYPE_CHECKING:
    from affectline.training.data.faces import LabelledFaces


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            help="FER2013's CSV file (also as .xz, .gz or .zip), or a folder with "
            "a sub-folder of cropped faces for each emotion."
        ),
    ],
    artifact: ArtifactOption = DEFAULT_MODEL,
    answer: Annotated[
        Answer,
        typer.Option(
            "--answer",
            "--label-set",
            help="Whose labels to predict: FER2013's, those of most of FER+'s annotators, or both.",
            parser=parse_answer,
            metavar="labels|votes|consensus",
        ),
    ] = "labels",
    split: Annotated[
        Split | None,
        typer.Option(
            help="Rows to evaluate.",
            show_default="PrivateTest; all pictures of a folder, unless the model was trained on "
            "one",
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Evaluate all rows, whatever their split: for a folder that the model has not "
            "seen, though it was trained on another one.",
        ),
    ] = False,
    votes: Annotated[
        Path | None, typer.Option(help="FER+ votes for FER2013's rows, as a second reference.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for a report as a page; an earlier report is replaced."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="Manifest (CSV) of the faces: also reports accuracy and calibration by group. "
            "It names faces in a column file, row (of FER2013's file, from 1) or source; every "
            "other column, such as age or light, defines groups."
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of the manifest to group by; may be repeated.", show_default="all columns"
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate another program's predictions (CSV) instead of an artifact: faces as in "
            "a manifest, and a column of probabilities for each label, or a column given."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Evaluate the served int8 file of an artifact on labelled faces.

    Example: `affectline-train evaluate --data fer2013.csv --out report`

    Example: `affectline-train evaluate --data fer2013.csv --votes fer2013new.csv --answer
    votes`

    Example: `affectline-train evaluate --artifact models/first --data faces/ --json`, where
    `faces/happy/`, `faces/sad/` and so on contain pictures

    Example: `affectline-train evaluate --data faces/ --groups people.csv --by age --by light --out
    report`, where `people.csv` begins with `file,age,light` and `happy/0017.png,60-69,dark`

    Example: `affectline-train evaluate --data fer2013.csv --predictions other.csv`, where
    `other.csv` begins with `row,angry,disgust,fear,happy,sad,surprise,neutral`
    """
    asked = Asked(
        data, artifact, answer, split, votes, out, groups, tuple(by or ()), predictions, whole
    )
    with show_progress() as progress:
        figures = measure(asked, progress)
    if as_json:
        output.print_json(data=figures)
        return
    show(figures)
    if out is not None:
        output.print(f"Report: {out / 'index.html'}", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Asked:
    """What to evaluate, as the options say."""

    data: Path
    artifact: Path = DEFAULT_MODEL
    answer: Answer = "labels"
    split: Split | None = None
    votes: Path | None = None
    out: Path | None = None
    groups: Path | None = None
    by: tuple[str, ...] = ()
    predictions: Path | None = None
    whole: bool = False
    """All rows, whatever their split."""

    def check(self) -> None:
        """Check that the options fit each other.

        Raises:
            AffectlineError: They do not.
        """
        if self.by and self.groups is None:
            raise AffectlineError(
                f"--by {self.by[0]} names a column, but there is no manifest",
                "add --groups with a CSV file of the faces",
            )
        if self.whole and self.split is not None:
            raise AffectlineError(
                f"--all and --split {self.split} contradict each other", "leave one of them out"
            )
        if self.predictions is not None and self.artifact != DEFAULT_MODEL:
            raise AffectlineError(
                f"--predictions {self.predictions} and --artifact {self.artifact} are two models",
                "evaluate them one after the other",
            )
        if self.predictions is not None and self.answer != "labels":
            raise AffectlineError(
                f"--answer {self.answer} chooses between the outputs of an artifact, and "
                f"--predictions {self.predictions} has only one",
                "leave --answer out; --votes compares with FER+",
            )


@dataclass(frozen=True)
class Judged:
    """A model's predictions for the faces to evaluate."""

    name: str
    """The model's."""
    probabilities: NDArray[np.float64]
    """``(N, 7)``."""
    answers: Mapping[str, NDArray[np.float64]]
    """All answers of a model that gives several, each ``(N, 7)``."""
    described: dict[str, Any]
    """Further figures about them."""


def measure(asked: Asked, progress: Progress) -> dict[str, Any]:
    """Compute the figures that ``--json`` prints; write the report if ``out`` is given."""
    from affectline.training.evaluate import groups, metrics
    from affectline.training.evaluate.predictions import Predictions

    asked.check()
    if asked.out is not None:
        require_extra("affectline-train evaluate --out", "training", "matplotlib")
        from affectline.training.evaluate import report as page

        page.check_report_folder(asked.out)
    manifest = None if asked.groups is None else groups.read_manifest(asked.groups, asked.by)
    opened = None if asked.predictions is not None else load(asked.artifact)
    if opened is not None:
        opened.choose_answer(asked.answer)
    size = FER_SIZE if opened is None else opened.manifest.input_height
    everything = read_data(asked.data, progress, size=size, votes=asked.votes)
    origin = "unknown" if opened is None else compare_origin(opened, everything)
    split = choose_split(asked, everything, origin)
    faces = everything if split is None else everything.select(split)
    chosen = np.flatnonzero(np.ones(len(everything)) if split is None else everything.rows(split))
    grouped = None if manifest is None else groups.sort_faces(manifest, everything, chosen)
    if opened is None:
        judged = read_given(asked, everything, chosen)
    else:
        judged = predict(opened, asked.answer, faces, progress)
    figures = {
        "model": judged.name,
        "data": asked.data.resolve().name.encode(errors="replace").decode(),
        "split": split.value if split else None,
        "is_own_data": origin == "same",
        "may_be_own_data": origin == "changed",
        **metrics.report(judged.probabilities, faces.emotions),
        **judged.described,
        **compare_without_twins(everything, faces, split, judged),
        **compare_with_votes(asked.votes, chosen, faces.emotions, judged),
    }
    if grouped is not None:
        sure = "labels_only" not in figures
        figures["groups"] = groups.report(grouped, judged.probabilities, faces.emotions, sure)
    if asked.out is not None:
        page.write(asked.out, Predictions(faces, judged.probabilities), figures)
    return figures


Origin = Literal["same", "changed", "unknown"]
"""Whether a model was trained on the data; ``changed``: on a folder with other content, which may
be this one before a picture was added or changed; ``unknown``: on other data, as far as known."""


def compare_origin(opened: Artifact, everything: "LabelledFaces") -> Origin:
    """Compare the data with what a model was trained on, by its manifest."""
    record = opened.manifest.training.get("data", {})
    if record.get("sha256") == everything.sha256:
        return "same" if everything.rows(Split.TRAINING).any() else "unknown"
    return "changed" if everything.from_folder and record.get("from_folder") else "unknown"


def choose_split(asked: Asked, everything: "LabelledFaces", origin: Origin) -> Split | None:
    """The split to evaluate; ``None``: all rows.

    A picture of a folder stays in its split whatever is added to the folder. So if the model was
    trained on a folder, only the private rows are surely new to it: the others were learnt, or the
    model was chosen by them.
    """
    if asked.split is not None or asked.whole:
        return asked.split
    if not everything.from_folder:
        return Split.PRIVATE_TEST
    has_private = bool(everything.rows(Split.PRIVATE_TEST).any())
    return Split.PRIVATE_TEST if origin != "unknown" and has_private else None


def predict(opened: Artifact, answer: Answer, faces: "LabelledFaces", progress: Progress) -> Judged:
    """The predictions of an artifact's served file."""
    from affectline.training.evaluate import metrics
    from affectline.training.evaluate.predictions import predict_faces

    manifest = opened.manifest
    model, size = open_litert(opened), manifest.input_height
    outputs = predict_faces(model, faces.pixels, progress, size)
    mirrored = predict_faces(model, faces.pixels[:, :, ::-1], progress, size)
    given = to_probabilities(outputs, manifest, answer)
    both = (given + to_probabilities(mirrored, manifest, answer)) / 2
    names: tuple[Answer, ...] = get_args(Answer) if manifest.votes_temperature else ()
    return Judged(
        opened.model_id_for(answer),
        given,
        {name: to_probabilities(outputs, manifest, name) for name in names},
        {"with_mirror": metrics.accuracy_with_interval(both, faces.emotions)},
    )


def read_given(asked: Asked, everything: "LabelledFaces", chosen: NDArray[np.int64]) -> Judged:
    """The predictions of another program, from a file."""
    from affectline.training.evaluate.given import read_predictions

    path = Path(asked.predictions or "")
    found = read_predictions(path, everything, chosen)
    described: dict[str, Any] = {"predictions": path.name.encode(errors="replace").decode()}
    if found.missing:
        described["labels_never_given"] = list(found.missing)
    if found.labels_only:
        described |= dict.fromkeys(("log_loss", "calibration_error", "mean_confidence"))
        described |= {"labels_only": True, "reliability": [], "coverage": []}
    return Judged(path.stem.encode(errors="replace").decode(), found.probabilities, {}, described)


def compare_without_twins(
    everything: "LabelledFaces", faces: "LabelledFaces", split: Split | None, judged: Judged
) -> dict[str, Any]:
    """The figures on faces without a near duplicate among the training rows, where that applies."""
    from affectline.training.evaluate import metrics

    if split is None or split is Split.TRAINING:
        return {}
    known = everything.pixels[everything.rows(Split.TRAINING)]
    if not len(known):
        return {}
    alone = ~has_near_duplicates(faces.pixels, known)
    found = metrics.accuracy_with_interval(judged.probabilities[alone], faces.emotions[alone])
    return {"without_twins": found}


def compare_with_votes(
    votes: Path | None, chosen: NDArray[np.int64], emotions: NDArray[np.int64], judged: Judged
) -> dict[str, Any]:
    """The figures against the majority of FER+'s voters, if there are votes."""
    if votes is None:
        return {}
    from affectline.training.data.ferplus import majority
    from affectline.training.evaluate import metrics

    labels = majority(votes)[chosen]
    figures: dict[str, Any] = {
        "ferplus": metrics.accuracy_with_interval(judged.probabilities, labels)
    }
    if judged.answers:
        references = {"labels": emotions, "votes": labels}
        figures["answers"] = {
            name: {
                reference: metrics.accuracy_with_interval(given, wanted)
                for reference, wanted in references.items()
            }
            for name, given in judged.answers.items()
        }
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print the figures as sentences and tables."""
    low, high = figures["accuracy_interval"]
    where = f"{figures['split']} faces" if figures["split"] else "faces"
    output.print(
        f"{figures['model']} on {figures['rows']} {where} of {figures['data']}: "
        f"accuracy {figures['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%}), "
        f"macro F1 {figures['macro_f1']:.2%}, balanced accuracy "
        f"{figures['balanced_accuracy']:.2%}, {_describe_confidence(figures)}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if figures["is_own_data"] and figures["split"] != Split.TEST:
        output.print(
            "The model was trained on this data: of its faces, only those of PrivateTest are new "
            "to it.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if figures["may_be_own_data"]:
        output.print(
            "The model was trained on a folder of pictures, but not on exactly these. If this is "
            "the same folder with pictures added or changed, only those of PrivateTest are new to "
            "it; if it is another folder, --all evaluates all of its pictures.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if sentence := describe_near_duplicates(figures):
        output.print(sentence, highlight=False, soft_wrap=True)
    if mirror := figures.get("with_mirror"):
        low, high = mirror["interval"]
        output.print(
            "with the mirror image beside it (mean of both distributions, two passes): accuracy "
            f"{mirror['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%})",
            highlight=False,
            soft_wrap=True,
        )
    if (people := figures.get("ferplus")) and people["rows"]:
        low, high = people["interval"]
        output.print(
            f"against the majority of FER+ votes on {people['rows']} of them: accuracy "
            f"{people['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%})",
            highlight=False,
            soft_wrap=True,
        )
        if "answers" in figures:
            output.print(answer_table(figures["answers"]))
    output.print(emotion_table(figures))
    output.print(confusion_table(figures))
    if "groups" in figures:
        show_groups(figures["groups"])


def _describe_confidence(figures: dict[str, Any]) -> str:
    if "labels_only" in figures:
        return "confidence unknown (labels only)"
    return (
        f"mean confidence {figures['mean_confidence']:.2%}, expected calibration error "
        f"{figures['calibration_error']:.2%}, log loss {figures['log_loss']:.3f} nats"
    )


def show_groups(figures: dict[str, Any]) -> None:
    """Print a table for each column of the manifest, and what to know about it."""
    from affectline.training.evaluate import groups

    for column, found in figures["columns"].items():
        table = Table(title=Text(f"By {column} (below each figure: its 95% interval)"))
        table.add_column("")
        for name in ("faces", "accuracy", "macro F1", "calibration\nerror", "by\nchance"):
            table.add_column(name, justify="right", no_wrap=True)
        for group in found["groups"]:
            mark = f" (fewer than {groups.SMALL})" if group["small"] else ""
            table.add_row(
                Text(group["name"] + mark),
                str(group["rows"]),
                _with_span(group["accuracy"], group["interval"]),
                _with_span(group["macro_f1"], group["macro_f1_interval"]),
                _with_span(group.get("calibration_error"), group.get("calibration_interval")),
                as_percent(group.get("calibration_by_chance")),
            )
        output.print(table)
    for sentence in groups.describe(figures):
        output.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _with_span(share: float | None, ends: list[float] | None) -> str:
    """A share, and its interval in the line below."""
    span = f"\n{100 * ends[0]:.1f} to {100 * ends[1]:.1f}" if ends else ""
    return as_percent(share) + span


def answer_table(answers: dict[str, Any]) -> Table:
    """How often each answer agrees with FER2013's labels and with FER+'s majority."""
    table = Table("answer", "right by FER2013's labels", "right by FER+'s majority")
    for name, found in answers.items():
        table.add_row(name, *(f"{found[key]['accuracy']:.2%}" for key in ("labels", "votes")))
    return table


def emotion_table(figures: dict[str, Any]) -> Table:
    """Precision, recall and F1 of each emotion; a dash if the data does not define one."""
    table = Table(title="Per emotion")
    table.add_column("")
    for name in ("faces", "precision", "recall", "F1"):
        table.add_column(name, justify="right")
    for label, found in figures["emotions"].items():
        shares = (found["precision"], found["recall"], found["f1"])
        table.add_row(label, str(found["rows"] or "none"), *map(as_percent, shares))
    return table


def confusion_table(figures: dict[str, Any]) -> Table:
    """The confusion matrix: rows are true emotions, columns are predicted ones."""
    table = Table(title="True emotion by row, predicted emotion by column")
    table.add_column("")
    for label in LABELS:
        table.add_column(label, justify="right")
    for label, counts in zip(LABELS, figures["confusion"], strict=True):
        table.add_row(label, *map(str, counts))
    return table


def as_percent(share: float | None) -> str:
    """A share from 0 to 1 in percent; a dash for ``None``."""
    return "-" if share is None else f"{share:.1%}"
