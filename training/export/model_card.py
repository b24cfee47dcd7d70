"""The model card: what a model is, how good it is, and what it must not be used for."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.model.artifact import Manifest, to_probabilities
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.near_duplicates import describe_near_duplicates, has_near_duplicates
from affectline.training.data.splits import Split
from affectline.training.evaluate.metrics import accuracy_with_interval, report

CARD_FILE: Final = "MODEL_CARD.md"

SECOND: Final = """The model predicts both,
because FER2013's labels and people agree on two faces in three (temperature of votes: {:.3g}).
All other figures are for `--answer labels`."""

CARD: Final = """\
# Model card: {name}

Predicts seven probabilities for the expression of one face:
{labels}.
Made for live pipelines on ordinary processors: the input is one grayscale crop of
{height}x{width} pixels, the arithmetic is int8.

## How it was made

* Recipe: {recipe}.
* Loss: {loss}; optimizer {optimizer}.
* Settings: {settings}.
* Data: {rows}. {votes}Trained only on the training rows; all choices were made on the
  public test rows; the private test rows were used only for measuring.
* Start: {start}.{second_learnt}
* {offsets}Quantized to int8 after training; temperature {temperature:.3g}, fitted on the public
  test rows (Guo et al. 2017).

## How good it is

Of the int8 file that is served, at its temperature:

| rows | faces | accuracy | calibration error | log loss | float32 | FER+ | votes | consensus |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{splits}

FER+ is the share of predictions that match the majority of ten voters, on the faces where one of
the seven got the most votes; votes and consensus are that share with `--answer votes` and `--answer
consensus`. {second}
The Test rows are the PublicTest and the PrivateTest rows together.
The log loss is in nats; float32 is the accuracy before quantization. The calibration error is the
expected calibration error over 15 bins: the mean difference between confidence and accuracy.
{mirror}{twins}
By emotion, on the {measured} rows:

| | faces | precision | recall | F1 |
| --- | --- | --- | --- | --- |
{emotions}
| macro average | {faces} | | | {macro} |

True emotions (rows) and predicted ones (columns), in percent of the row:

| | {header} |
| --- |{rule}
{confusion}

Many of FER2013's labels are themselves wrong or debatable. People agree with them on about two
faces in three (Goodfellow et al. 2013), and the majority of ten FER+ voters on 66 % of the test
faces. Accuracy above that partly reflects how this data set was labelled.

## What it is for

Research, teaching and prototypes in which a person reviews the results: how the expression of one
consenting adult changes over a session, alongside other signals.

## What it must not be used for

* **It reads expressions, not feelings.** People smile when they are sad and scowl when they think.
  The face alone does not show what somebody feels (Barrett et al. 2019), and this model does not
  know the situation.
* **Not for decisions about a person**: hiring, marks, credit, policing, insurance, treatment.
* **Not at work and not in education in the European Union.** Inferring people's emotions there
  from biometric data is prohibited except for medical or safety reasons (Regulation (EU) 2024/1689,
  article 5(1)(f), in force since 2 February 2025). Elsewhere emotion recognition counts as high
  risk (annex III, point 1(c)) and the people exposed to it must be told (article 50(3)). Pictures
  of faces are personal data under the GDPR, biometric data is a special category. This is not legal
  advice.
* **Not without consent**, and not on children: neither was examined.

## Who it is worse for

FER2013 was collected by searching the web for words of emotion. It does not record the age, the
gender or the skin of the people in it. Such collections contain more young, light-skinned and
Western faces than the world does, and more acted expressions than daily life. Models trained on
such data are known to make more errors on other people. How many more this one makes could not be
measured with this data: measure it on your own participants before you compare persons or groups.
`affectline-train evaluate` takes a folder of pictures.

Rare expressions are recognized less well: disgust has {disgust} of the training faces. The data
contains few faces that are seen from the side, covered, very dark or smaller than about 40 pixels.

## Licences

Code and these weights: MIT, as far as they are ours to license. FER2013: research use, which
extends to models that learnt from it. FER+: MIT (Barsoum et al. 2016). ImageNet weights: CC BY 4.0
(Simonyan & Zisserman 2014).
"""


def render_card(manifest: Manifest, logits: NDArray[np.float32], faces: LabelledFaces) -> str:
    """Render the card of a model in Markdown.

    Args:
        manifest: The artifact's manifest.
        logits: Outputs of the int8 file for every row of the data, ``(N, 7 or 14)``.
        faces: The labelled data.
    """
    measured = next(
        split for split in (Split.PRIVATE_TEST, Split.PUBLIC_TEST) if faces.rows(split).any()
    )
    rows = faces.rows(measured)
    given = to_probabilities(logits[rows], manifest)
    figures = report(given, faces.emotions[rows])
    counts = np.asarray(figures["confusion"])
    known, made = faces.emotions[faces.rows(Split.TRAINING)], manifest.training
    return CARD.format(
        name=manifest.name,
        labels=", ".join(LABELS),
        height=manifest.input_height,
        width=manifest.input_width,
        recipe=made["recipe"],
        loss=made["loss"],
        optimizer=_join_settings(made["optimizer"]),
        settings=_join_settings(made["settings"]),
        rows=", ".join(f"{count} {split}" for split, count in made["data"]["rows"].items()),
        start=_describe_start(made),
        votes="FER+ votes in addition to the labels. " if made["data"].get("votes") else "",
        temperature=manifest.temperature,
        offsets=_join_offsets(manifest),
        second_learnt=f"\n* {made['second_answer'][0].upper() + made['second_answer'][1:]}."
        if "second_answer" in made
        else "",
        second=SECOND.format(manifest.votes_temperature) if manifest.votes_temperature else "",
        splits="\n".join(_split_row(manifest, split, faces) for split in Split),
        mirror=_mirror_paragraph(manifest),
        twins=_near_duplicates_paragraph(given, faces, measured),
        measured=measured.value,
        emotions="\n".join(_emotion_row(label, figures) for label in LABELS),
        faces=figures["rows"],
        macro=f"{figures['macro_f1']:.3f}",
        header=" | ".join(LABELS),
        rule=" --- |" * len(LABELS),
        confusion="\n".join(
            f"| {label} | {' | '.join(_shares(row))} |"
            for label, row in zip(LABELS, counts, strict=True)
        ),
        disgust=f"{(known == LABELS.index('disgust')).mean():.1%}",
    )


def _mirror_paragraph(manifest: Manifest) -> str:
    """A paragraph about the mean with the mirror image; may be empty."""
    figures = manifest.metrics["litert-int8"].items()
    shares = [
        f"{found['mirror_accuracy']:.2%} of the {split} rows"
        for split, found in figures
        if "mirror_accuracy" in found
    ]
    if not shares:
        return ""
    return (
        "\nThese figures are of one pass. With the mirror image beside it (the mean of both "
        f"distributions, two passes), it is right on {' and '.join(shares)}. Live pipelines get "
        "this mean at no cost: they mirror the crop of a steady face in every second frame.\n"
    )


def _near_duplicates_paragraph(
    probabilities: NDArray[np.float64], faces: LabelledFaces, measured: Split
) -> str:
    """A paragraph about accuracy without near duplicates of training faces; may be empty."""
    known = faces.pixels[faces.rows(Split.TRAINING)]
    if not len(known):
        return ""
    seen = faces.select(measured)
    alone = ~has_near_duplicates(seen.pixels, known)
    figures = {
        "rows": len(seen),
        "without_twins": accuracy_with_interval(probabilities[alone], seen.emotions[alone]),
    }
    return f"\n{describe_near_duplicates(figures, f'the {measured.value}')}\n"


def _describe_start(made: dict[str, Any]) -> str:
    imagenet = "VGG16's ImageNet weights"
    if "averaged" in made:
        return f"the mean of the weights of {', '.join(made['averaged'])}"
    if "started_from" in made:
        return f"{made['started_from']}, an earlier model, trained from {imagenet}"
    return imagenet


def _join_settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def _join_offsets(manifest: Manifest) -> str:
    if not manifest.offsets:
        return ""
    named = ", ".join(
        f"{label} {value:+.2f}" for label, value in zip(LABELS, manifest.offsets, strict=True)
    )
    return (
        "Offsets of the labels' logits, fitted on the public test rows, so that each emotion is "
        f"predicted about\n  as often as it occurs (vector scaling, Guo et al. 2017): {named}.\n* "
    )


def _split_row(manifest: Manifest, split: Split, faces: LabelledFaces) -> str:
    served = manifest.metrics["litert-int8"].get(split.value)
    if served is None:
        return f"| {split} | 0 | - | - | - | - | - | - | - |"
    plain = manifest.metrics.get("float32", {}).get(split.value)
    before = "-" if plain is None else f"{plain['accuracy']:.2%}"
    count = int(faces.rows(split).sum())
    names = ("ferplus_accuracy", "votes_accuracy", "consensus_ferplus_accuracy")
    people = (served.get(name) for name in names)
    return (
        f"| {split} | {count} | {served['accuracy']:.2%} | {served['calibration_error']:.2%} | "
        f"{served['log_loss']:.3f} | {before} | "
        f"{' | '.join('-' if share is None else f'{share:.2%}' for share in people)} |"
    )


def _emotion_row(label: str, figures: dict[str, Any]) -> str:
    found = figures["emotions"][label]
    cells = (
        "-" if found[name] is None else f"{found[name]:.3f}"
        for name in ("precision", "recall", "f1")
    )
    return f"| {label} | {found['rows']} | {' | '.join(cells)} |"


def _shares(counts: NDArray[np.int64]) -> list[str]:
    total = max(1, int(counts.sum()))
    return [f"{count / total:.0%}".rstrip("%") for count in counts]
