"""One process of the pipeline, told what to be on standard input: what the launcher starts.

Each kind imports what it needs when it is wanted: a process starts fast, and does without packages
that are others' business.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from affectline.common.errors import explain_import
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.dashboard import DashboardSettings
from affectline.common.settings.fusion import FusionSettings
from affectline.common.settings.pipeline import (
    CaptureSettings,
    ClassifierSettings,
    Delivery,
    DetectorSettings,
    HubSettings,
    PipelineSettings,
    SourceSettings,
)

Arguments = dict[str, Any]


def _hub(hub: HubSettings, delivery: Delivery, _: Arguments) -> int:
    from affectline.services.hub import service

    return service.run(hub, delivery)


def _capture(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.capture import stage

    return stage.run(
        SourceSettings.model_validate(given["source"]),
        CaptureSettings.model_validate(given["settings"]),
        given["pace"], hub, delivery,
        epoch=given["epoch"], first_seq=given.get("first_seq", 0),
        patient=given.get("patient", False),
        consumers=tuple(given["consumers"]),
    )  # fmt: skip


def _detector(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.detector import stage

    settings = DetectorSettings.model_validate(given["settings"])
    return stage.run(given["stream"], settings, hub, delivery)


def _classifier(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.classifier import stage as classifier

    settings = ClassifierSettings.model_validate(given["settings"])
    return classifier.run(settings, hub, delivery, given["name"])


def _biometrics(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.biometrics import stage

    settings = BiometricsSettings.model_validate(given["settings"])
    return stage.run(settings, hub, delivery, tuple(given["consumers"]))


def _fusion(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.fusion import stage

    return stage.run(FusionSettings.model_validate(given["settings"]), hub, delivery)


def _sink(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.sink import stage

    return stage.run(
        Path(given["folder"]), tuple(given["expected"]), given["display"], given["about"],
        hub, delivery, replayed=given["replayed"],
    )  # fmt: skip


def _recorder(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.recorder import stage as recorder

    return recorder.run(
        Path(given["folder"]), given["privacy"], tuple(given["expected"]), given["about"],
        hub, delivery, tuple(given["closers"]), given.get("name", "recorder"),
    )  # fmt: skip


def _replay(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.replay import player as replay

    return replay.run(replay.ReplaySettings.model_validate(given), hub, delivery)


def _dashboard(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.dashboard import stage

    return stage.run(PipelineSettings.model_validate(given["settings"]), hub, delivery)


def _booth(hub: HubSettings, delivery: Delivery, given: Arguments) -> int:
    from affectline.services.collect import stage

    page = DashboardSettings.model_validate(given["page"])
    return stage.run(page, Path(given["folder"]), hub)


KINDS: Final[dict[str, Callable[[HubSettings, Delivery, Arguments], int]]] = {
    "hub": _hub,
    "capture": _capture,
    "detector": _detector,
    "classifier": _classifier,
    "biometrics": _biometrics,
    "fusion": _fusion,
    "sink": _sink,
    "recorder": _recorder,
    "replay": _replay,
    "dashboard": _dashboard,
    "booth": _booth,
}


def main() -> None:
    """Read the task, work, and exit."""
    task = json.load(sys.stdin)
    hub = HubSettings.model_validate(task["hub"])
    try:
        code = KINDS[task["kind"]](hub, task["delivery"], task["arguments"])
    except ImportError as error:
        code = SupervisorLink().give_up(explain_import(error)) and EXIT_GIVEN_UP
    sys.exit(code)


if __name__ == "__main__":
    main()
