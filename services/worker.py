"""One process of the pipeline, told what to be on standard input: what the launcher starts."""

import json
import sys
from pathlib import Path
from typing import Any

from common.config import (
    CaptureSettings,
    ClassifierSettings,
    DetectorSettings,
    HubSettings,
    SourceSettings,
)
from common.errors import explain_import
from common.link import EXIT_GIVEN_UP, Link


def work(kind: str, hub: HubSettings, delivery: Any, arguments: dict[str, Any]) -> int:
    """Be a process of one kind; return its exit code. Imports only what that kind needs."""
    if kind == "hub":
        from services import hub as hub_service

        return hub_service.run(hub, delivery)
    if kind == "capture":
        from services.capture import stage as capture

        return capture.run(
            SourceSettings.model_validate(arguments["source"]),
            CaptureSettings.model_validate(arguments["settings"]),
            arguments["pace"], hub, delivery,
            epoch=arguments["epoch"], first_seq=arguments.get("first_seq", 0),
            patient=arguments.get("patient", False),
            consumers=tuple(arguments["consumers"]),
        )  # fmt: skip
    if kind == "detector":
        from services.detector import stage as detector

        settings = DetectorSettings.model_validate(arguments["settings"])
        return detector.run(arguments["stream"], settings, hub, delivery)
    if kind == "classifier":
        from services import classifier

        chosen = ClassifierSettings.model_validate(arguments["settings"])
        return classifier.run(chosen, hub, delivery, arguments["name"])
    if kind == "recorder":
        from services import recorder

        return recorder.run(
            Path(arguments["folder"]), arguments["privacy"], tuple(arguments["expected"]),
            arguments["about"], hub, delivery,
        )  # fmt: skip
    if kind == "replay":
        from services import replay

        return replay.run(replay.ReplaySettings.model_validate(arguments), hub, delivery)
    from services.sink import stage as sink

    return sink.run(
        Path(arguments["folder"]), tuple(arguments["expected"]), arguments["display"],
        arguments["about"], hub, delivery,
    )  # fmt: skip


def main() -> None:
    """Read the task, work, and exit."""
    task = json.load(sys.stdin)
    hub = HubSettings.model_validate(task["hub"])
    try:
        code = work(task["kind"], hub, task["delivery"], task["arguments"])
    except ImportError as error:
        code = Link().give_up(explain_import(error)) and EXIT_GIVEN_UP
    sys.exit(code)


if __name__ == "__main__":
    main()
