"""``affectline-train evaluate``."""

from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.progress import Progress
from rich.table import Table

from affectline.common.labels import LABELS
from affectline.common.model.answer import Answer, parse_answer
from affectline.common.model.artifact import load, to_probabilities
from affectline.common.model.litert import open_litert
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.training.cli.console import output, show_progress
from affectline.training.cli.data_option import read_data
from affectline.training.data.near_duplicates import describe_near_duplicates, has_near_duplicates
from affectline.training.data.splits import Split


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            help="FER2013's CSV file (also as .xz, .gz or .zip), or a folder with "
            "a sub-folder of cropped faces for each emotion."
        ),
    ],
    artifact: Annotated[
        Path,
        typer.Option(
            help="Artifact folder (with manifest.json) that export wrote.",
            show_default="the served model",
        ),
    ] = DEFAULT_MODEL,
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
            help="Rows to evaluate.", show_default="PrivateTest; all pictures of a folder"
        ),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option(help="FER+ votes for FER2013's rows, as a second reference.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for a report as a page; an earlier report is replaced."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Evaluate the served int8 file of an artifact on labelled faces.

    Example: `affectline-train evaluate --data fer2013.csv --out report`

    Example: `affectline-train evaluate --data fer2013.csv --votes fer2013new.csv --answer
    votes`

    Example: `affectline-train evaluate --artifact models/first --data faces/ --json`, where
    `faces/happy/`, `faces/sad/` and so on contain pictures
    """
    with show_progress() as progress:
        figures = measure(data, artifact, answer, split, votes, out, progress)
    if as_json:
        output.print_json(data=figures)
        return
    show(figures)
    if out is not None:
        output.print(f"Report: {out / 'index.html'}", markup=False, highlight=False, soft_wrap=True)


def measure(
    data: Path,
    artifact: Path,
    answer: Answer,
    split: Split | None,
    votes: Path | None,
    out: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Compute the figures that ``--json`` prints; write the report if ``out`` is given."""
    from affectline.training.evaluate import metrics
    from affectline.training.evaluate.predictions import Predictions, predict_faces

    if out is not None:
        from affectline.training.evaluate import report as page

        page.check_report_folder(out)
    opened = load(artifact)
    opened.choose_answer(answer)
    model = open_litert(opened)
    if split is None and not data.is_dir():
        split = Split.PRIVATE_TEST
    everything = read_data(data, progress, size=opened.manifest.input_height, votes=votes)
    faces = everything if split is None else everything.select(split)
    outputs = predict_faces(model, faces.pixels, progress, opened.manifest.input_height)
    probabilities = to_probabilities(outputs, opened.manifest, answer)
    figures = {
        "model": opened.model_id_for(answer),
        "data": data.resolve().name.encode(errors="replace").decode(),
        "split": split.value if split else None,
        **metrics.report(probabilities, faces.emotions),
    }
    mirrored = predict_faces(
        model, faces.pixels[:, :, ::-1], progress, opened.manifest.input_height
    )
    both = (probabilities + to_probabilities(mirrored, opened.manifest, answer)) / 2
    figures["with_mirror"] = metrics.accuracy_with_interval(both, faces.emotions)
    if split is not None and split is not Split.TRAINING:
        known = everything.pixels[everything.rows(Split.TRAINING)]
        if len(known):
            without_twins = ~has_near_duplicates(faces.pixels, known)
            figures["without_twins"] = metrics.accuracy_with_interval(
                probabilities[without_twins], faces.emotions[without_twins]
            )
    if votes is not None:
        from affectline.training.data.ferplus import majority

        majority_labels = (
            majority(votes) if split is None else majority(votes)[everything.rows(split)]
        )
        figures["ferplus"] = metrics.accuracy_with_interval(probabilities, majority_labels)
        if opened.manifest.votes_temperature and answer == "labels":
            ferplus = to_probabilities(outputs, opened.manifest, "votes")
            figures["ferplus_votes"] = metrics.accuracy_with_interval(ferplus, majority_labels)
        if opened.manifest.votes_temperature:
            answers = {
                name: to_probabilities(outputs, opened.manifest, name) for name in get_args(Answer)
            }
            references = {"labels": faces.emotions, "votes": majority_labels}
            figures["answers"] = {
                name: {
                    reference: metrics.accuracy_with_interval(given, wanted)
                    for reference, wanted in references.items()
                }
                for name, given in answers.items()
            }
    if out is not None:
        page.write(out, Predictions(faces, probabilities), figures)
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print the figures as sentences and tables."""
    low, high = figures["accuracy_interval"]
    where = f"{figures['split']} faces" if figures["split"] else "faces"
    output.print(
        f"{figures['model']} on {figures['rows']} {where} of {figures['data']}: "
        f"accuracy {figures['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%}), "
        f"macro F1 {figures['macro_f1']:.2%}, balanced accuracy "
        f"{figures['balanced_accuracy']:.2%}, mean confidence {figures['mean_confidence']:.2%}, "
        f"expected calibration error {figures['calibration_error']:.2%}, "
        f"log loss {figures['log_loss']:.3f} nats",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if sentence := describe_near_duplicates(figures):
        output.print(sentence, highlight=False, soft_wrap=True)
    low, high = figures["with_mirror"]["interval"]
    output.print(
        "with the mirror image beside it (mean of both distributions, two passes): accuracy "
        f"{figures['with_mirror']['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%})",
        highlight=False,
        soft_wrap=True,
    )
    for name, asked in (("ferplus", ""), ("ferplus_votes", " with --answer votes")):
        if (people := figures.get(name)) and people["rows"]:
            low, high = people["interval"]
            output.print(
                f"against the majority of FER+ votes on {people['rows']} of them{asked}: accuracy "
                f"{people['accuracy']:.2%} (95% interval {low:.2%} to {high:.2%})",
                highlight=False,
                soft_wrap=True,
            )
    if "answers" in figures:
        output.print(answer_table(figures["answers"]))
    output.print(emotion_table(figures))
    output.print(confusion_table(figures))


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
