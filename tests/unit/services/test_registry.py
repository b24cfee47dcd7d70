"""Every service is declared once, and what it declares is so."""

import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from affectline import services
from affectline.common.errors import AffectlineError
from affectline.common.runtime.spec import Run, ServiceSpec
from affectline.common.runtime.stage import Stage
from affectline.common.settings.pipeline import PipelineSettings, SinkSettings
from affectline.common.settings.recording import RecordingSettings
from affectline.common.settings.sources import SourceSettings
from affectline.common.wire.control import Control
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Marker
from affectline.services.cli.main import app
from affectline.services.registry import SPECS
from affectline.services.supervisor.plan import plan

ROOT = Path(__file__).parents[3]
STAGES = [spec for spec in SPECS.values() if spec.role != "hub"]
by_kind = pytest.mark.parametrize("spec", STAGES, ids=lambda spec: spec.kind)


def stage_of(spec: ServiceSpec) -> type[Stage]:
    module, _, name = spec.stage.partition(":")
    found: type[Stage] = getattr(import_module(module), name)
    assert issubclass(found, Stage)
    return found


def full_run(tmp_path: Path) -> Run:
    """Everything that a pipeline can consist of."""
    sensors: list[dict[str, Any]] = [{"driver": "synthetic"}]
    settings = PipelineSettings.model_validate(
        {"biometrics": sensors, "services": {"lsl": {}, "remote": {}}}
    )
    return Run(
        settings.model_copy(
            update={
                "sources": (SourceSettings(name="a", source="a.mp4"),),
                "delivery": "lossless",
                "sink": SinkSettings(out=tmp_path, display="browser"),
                "recording": RecordingSettings(record=True),
            }
        )
    )


def test_every_room_with_a_spec_is_registered() -> None:
    rooms = {path.parent.name for path in Path(services.__file__).parent.glob("*/spec.py")}
    assert rooms == set(SPECS)


def test_a_process_loads_the_one_declaration_that_it_needs() -> None:
    code = (
        "import sys; from affectline.services.registry import SPECS; SPECS['sink']; "
        "print([kind for kind in SPECS if f'affectline.services.{kind}.spec' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['sink']\n"


def test_a_service_that_does_not_exist_is_not_there() -> None:
    assert "blink" not in SPECS
    assert SPECS.get("cli") is None
    assert len(SPECS) == len({*SPECS})


@by_kind
def test_declared_inputs_are_what_the_stage_handles(spec: ServiceSpec) -> None:
    handled = {one.kind.topic_prefix for one in stage_of(spec).inputs}
    assert handled == set(spec.inputs)


@by_kind
def test_declared_outputs_are_those_of_the_stage(spec: ServiceSpec) -> None:
    assert {kind.topic_prefix for kind in stage_of(spec).outputs} == set(spec.outputs)


@by_kind
def test_messages_say_which_services_publish_them(spec: ServiceSpec) -> None:
    declared = {kind for kind in message_kinds().values() if spec.kind in kind.published_by}
    own = {kind for kind in stage_of(spec).outputs if not kind.names_publisher}
    if spec.kind == "replay":
        own = {kind for kind in own if not kind.is_recorded}
    pages = {Marker, Control} if spec.kind in ("collect", "dashboard", "remote") else set()
    assert declared == own | pages, "pages publish besides their stage"


@by_kind
def test_every_handler_says_what_it_does_in_its_name(spec: ServiceSpec) -> None:
    for one in stage_of(spec).inputs:
        assert callable(getattr(stage_of(spec), one.method))
        assert not one.method.startswith("_")


def test_settings_of_every_process_survive_the_way_to_the_child(tmp_path: Path) -> None:
    processes = plan(full_run(tmp_path))
    assert {process.kind for process in processes} == set(SPECS) - {"replay", "collect"}
    for process in processes:
        text = process.settings.model_dump_json()
        assert process.spec.settings.model_validate_json(text) == process.settings


def test_in_lossless_delivery_sources_wait_for_all_consumers(tmp_path: Path) -> None:
    told = {p.kind: p.settings.model_dump().get("consumers") for p in plan(full_run(tmp_path))}
    assert told["capture"] == ("sink", "recorder", "classifier", "fusion")
    assert told["biometrics"] == ("fusion", "recorder", "sink")


def test_a_further_service_is_run_where_the_settings_name_it(tmp_path: Path) -> None:
    named = PipelineSettings.model_validate({"services": {"lsl": {"streams": ["front"]}}})
    (process,) = [process for process in plan(Run(named)) if process.kind == "lsl"]
    assert process.settings.model_dump()["streams"] == ("front",)
    assert not [process for process in plan(Run(PipelineSettings())) if process.kind == "lsl"]


def test_a_service_that_nobody_can_name_is_refused() -> None:
    for kind in ("blink", "sink"):
        settings = PipelineSettings.model_validate({"services": {kind: {}}})
        with pytest.raises(AffectlineError, match=f"services: {kind}: .*: name one of lsl"):
            plan(Run(settings))


COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("name", sorted(COMPOSE))
def test_every_container_runs_a_command_with_options_that_it_has(name: str) -> None:
    command, *arguments = shlex.split(COMPOSE[name]["command"])
    click_app: Any = typer.main.get_command(app)
    found = click_app.commands[command]
    found.make_context(command, arguments, resilient_parsing=False)


def test_the_containers_are_a_whole_pipeline() -> None:
    commands = {shlex.split(service["command"])[0] for service in COMPOSE.values()}
    needed = {spec.kind for spec in SPECS.values() if spec.kind not in ("recorder", "replay")}
    assert needed - {"lsl", "collect", "remote"} <= commands
