"""The mean of several trained models' weights ("greedy soup", Wortsman et al. 2022)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.model import artifact
from affectline.common.model.artifact import MANIFEST
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.evaluate.metrics import log_loss
from affectline.training.fit.finetune_run import ABOUT, save_network
from affectline.training.fit.trained_run import read_run_weights
from affectline.training.fit.trainer import select_sample
from affectline.training.model.network import Moments, Network, measure_layers
from affectline.training.model.warm_start import Weights, read_weights

RELATED: Final = 0.5
"""Cosine between two models' layers from which they count as related. Layers that began with other
random numbers have one near 0; those of one start had one of 0.97 or more after 16 to 40 epochs."""


@dataclass(frozen=True)
class TrainedModel:
    """A model to average."""

    name: str
    weights: Weights
    record: dict[str, Any]
    """How it was made: the content of ``run.json``."""


@dataclass(frozen=True)
class Member:
    """Weights to average, and the moments of the layers' outputs on some training faces."""

    weights: Weights
    moments: Moments


def read_model(folder: Path) -> TrainedModel:
    """Read a run of the strong recipe, or an exported model.

    Raises:
        AffectlineError: It is neither, incomplete, damaged or of another recipe.
    """
    if (folder / MANIFEST).is_file():
        opened = artifact.load(folder)
        name, record = opened.model_id, opened.manifest.training
        weights = read_weights(opened)
    else:
        name = folder.name
        weights, record = read_run_weights(folder)
    if "dense0" not in weights:
        raise AffectlineError(
            f"the model {folder} is not of the strong recipe",
            "average models that were trained with --recipe strong",
        )
    return TrainedModel(name, weights, record)


def check_distinct(folders: Sequence[Path], models: Sequence[TrainedModel]) -> None:
    """Check that no two models have the same weights: their mean would be one of them.

    Raises:
        AffectlineError: Two have.
    """
    for (one, mine), (other, theirs) in combinations(zip(folders, models, strict=True), 2):
        if mine.weights.keys() == theirs.weights.keys() and all(
            np.array_equal(mine.weights[name][0], theirs.weights[name][0]) for name in mine.weights
        ):
            raise AffectlineError(
                f"the models {one} and {other} have the same weights",
                "leave one out, or train another from the same --start with another --seed",
            )


def average_models(
    models: Sequence[TrainedModel], faces: LabelledFaces, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Average models that came from one start, as long as the log loss on the public rows falls.

    Args:
        models: Models of one image size.
        faces: The data that they were trained on.
        folder: The run's folder; the result is written like a run of ``fit``.
        progress: Where a bar is shown.

    Returns:
        The content of ``run.json``; ``averaged`` has the models whose weights are in the mean.

    Raises:
        AffectlineError: A model is unrelated to the first; the data lacks a split, or is not what
            they were trained on, with or without votes; the result cannot be written.
    """
    faces.require(Split.TRAINING, Split.PUBLIC_TEST)
    started = time.perf_counter()
    for model in models:
        check_votes(model, faces)
    training, public = faces.select(Split.TRAINING), faces.select(Split.PUBLIC_TEST)
    sample = select_sample(training.pixels)
    for model in models:
        faces.require_same(model.record, f"model {model.name}")
        check_related(models[0], model)
    members = [Member(each.weights, measure_layers(each.weights, sample)) for each in models]
    task = progress.add_task("Averages", total=2 * len(models))

    def loss(chosen: Sequence[int]) -> float:
        network = average_network([members[number] for number in chosen], sample)
        progress.advance(task)
        return log_loss(network.score(public.pixels)[0], public.emotions)

    kept = choose_greedily(len(members), loss)
    network = average_network([members[number] for number in kept], sample)
    about = ABOUT | {"averaged": [models[number].name for number in kept]}
    settings = models[kept[0]].record["settings"]
    seconds = time.perf_counter() - started
    return save_network(network, faces, folder, about, settings, progress, None, seconds)


def check_votes(model: TrainedModel, faces: LabelledFaces) -> None:
    """Check that the faces have votes if the model was trained on votes, and none otherwise.

    Without them the mean would lose its answer for votes; with them it would get one that no model
    has learnt.

    Raises:
        AffectlineError: They are not what the model was trained on.
    """
    has_votes = bool(model.record.get("data", {}).get("votes"))
    if has_votes and not faces.votes.any():
        raise AffectlineError(
            f"model {model.name} was trained with FER+'s votes", "name them with --votes"
        )
    if faces.votes.any() and not has_votes:
        raise AffectlineError(
            f"model {model.name} was trained without FER+'s votes",
            "leave --votes out; fit-votes-head adds them to an exported model",
        )


def choose_greedily(count: int, loss: Callable[[Sequence[int]], float]) -> list[int]:
    """Choose the models whose mean has the lowest loss.

    The best one is first; each of the others, from the best to the worst, is kept if the mean is
    better with it.

    Args:
        count: How many there are.
        loss: Loss of the mean of some of them, by number.
    """
    alone = [loss([number]) for number in range(count)]
    first, *others = (int(number) for number in np.argsort(alone, kind="stable"))
    kept, lowest = [first], alone[first]
    for number in others:
        if (found := loss([*kept, number])) < lowest:
            kept, lowest = [*kept, number], found
    return kept


def average_network(members: Sequence[Member], sample: NDArray[np.uint8]) -> Network:
    """A network with the mean of models' weights.

    Every layer of the mean gets the mean of the members' moments. Its own would be smaller, since
    what differs between members cancels out (Jordan et al. 2023). If the dense layers of a member
    are unrelated to the first's, as those of two runs that began with other random numbers, only
    its convolutions are used.

    Args:
        members: The models.
        sample: Some of the training faces ``(N, S, S)``, to measure moments on.
    """
    first = members[0].weights
    related = [each for each in members if _cosine(first, each.weights, "dense0") > RELATED]
    weights, moments = {}, {}
    for name in first:
        used = members if name.startswith("block") else related
        kernels, biases = zip(*(each.weights[name] for each in used), strict=True)
        weights[name] = np.mean(kernels, axis=0), np.mean(biases, axis=0)
        if name in members[0].moments:
            means, spreads = zip(*(each.moments[name] for each in used), strict=True)
            moments[name] = np.mean(means, axis=0), np.mean(spreads, axis=0)
    network = Network(mixed=False)
    network.load_layers(weights, sample, moments)
    return network


def check_related(first: TrainedModel, other: TrainedModel) -> None:
    """Check that two models came from one start, so that their mean makes sense.

    Raises:
        AffectlineError: They did not, or have layers of different sizes.
    """
    shapes = [
        {name: kernel.shape for name, (kernel, _) in model.weights.items()}
        for model in (first, other)
    ]
    if shapes[0] != shapes[1]:
        raise AffectlineError(
            f"the models {first.name} and {other.name} have layers of different sizes",
            "average models of the same recipe, all trained with votes or all without",
        )
    name = "block5_conv3"
    if (found := _cosine(first.weights, other.weights, name)) < RELATED:
        raise AffectlineError(
            f"the models {first.name} and {other.name} did not come from one start "
            f"(cosine {found:.2f} between their layers {name})",
            "average models that were trained with the same --start",
        )


def _cosine(mine: Weights, theirs: Weights, name: str) -> float:
    a, b = mine[name][0], theirs[name][0]
    return float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
