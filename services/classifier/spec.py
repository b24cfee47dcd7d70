"""The service spec of the classifier process."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from affectline.common.model.answer import Answer, parse_answer
from affectline.common.model.calibration import read_calibration
from affectline.common.runtime.spec import Flag, ProcessSettings, Run, ServiceSpec
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import Backend, ClassifierSettings, PipelineSettings


class ClassifierProcess(ProcessSettings):
    """Settings of one classifier process."""

    name: str
    """Distinguishes it from other classifiers."""
    settings: ClassifierSettings = ClassifierSettings()
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Number of threads that LiteRT may use for one run: several make the result of a single live
    stream faster; one leaves the other cores to other frames."""

    @property
    def process_name(self) -> str:
        return f"classifier/{self.name}"


def configure(
    pipeline: PipelineSettings,
    delivery: Delivery,
    name: Annotated[
        str, Flag("Distinguishes it from other classifiers.", default="host name and pid")
    ] = "",
    model: Annotated[Path | None, Flag("Folder of the model artifact.")] = None,
    answer: Annotated[
        Answer | None,
        Flag(
            "Whose labels to predict: FER2013's, those of most of FER+'s annotators, or both.",
            default="consensus",
            old_name="--label-set",
            parse=parse_answer,
            metavar="labels|votes|consensus",
        ),
    ] = None,
    backend: Annotated[
        Backend | None,
        Flag("litert: the deployed model. tensorflow: the reference model it was converted from."),
    ] = None,
    calibration: Annotated[
        Path | None,
        Flag("One person's calibration, or the session folder that has it.", metavar="FILE"),
    ] = None,
) -> ClassifierProcess:
    """Settings for ``affectline classifier``."""
    chosen: dict[str, Any] = {"model": model, "answer": answer, "backend": backend}
    if calibration is not None:
        chosen["calibration"] = read_calibration(calibration)
    given = {option: value for option, value in chosen.items() if value is not None}
    return ClassifierProcess(
        name=name or f"{socket.gethostname().split('.')[0]}-{os.getpid()}",
        settings=pipeline.classifier.model_copy(update=given),
    )


def planned(run: Run) -> Iterator[ClassifierProcess]:
    """One process for each instance that the settings request."""
    if run.replay == "as recorded":
        return
    settings = run.settings.classifier
    is_alone = run.settings.delivery == "live" and len(run.settings.sources) == 1
    # While it works, the stream's capture and detector need a core each
    has_cores = (os.cpu_count() or 1) >= 4
    threads = 2 if is_alone and has_cores and settings.instances == 1 else 1
    for number in range(1, settings.instances + 1):
        yield ClassifierProcess(name=str(number), settings=settings, threads=threads)


SPEC = ServiceSpec(
    kind="classifier",
    summary="Classify face crops; run several to scale: they share the work.",
    settings=ClassifierProcess,
    stage="affectline.services.classifier.stage:Classifier",
    role="worker",
    inputs=("faces",),
    outputs=("scores",),
    planned=planned,
    configure=configure,
    example="affectline classifier --hub 192.168.1.20",
)
