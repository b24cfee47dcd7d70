"""Viewers look on, operators act, and what they have done is told without a name."""

import asyncio
import inspect
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="collecting needs NiceGUI (the dashboard extra)")

from nicegui import Client
from nicegui.page import page

from affectline.common.errors import AffectlineError
from affectline.common.settings.hub import HubSettings
from affectline.services.collect.actions import BoothActions
from affectline.services.collect.collection import Collection
from affectline.services.collect.collector import Collector, FrameRef
from affectline.services.collect.page import build_viewer_page
from affectline.services.web.logins import Visitor
from tests.unit.services.collect.test_collection import fill

VIEWER = Visitor("viewer", "viewer 1a2b3c", "192.0.2.9")
OPERATOR = Visitor("operator", "operator 4d5e6f", "192.0.2.8")
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "record_consent": ("eve",), "capture": (FrameRef("", "", 0, 0), "anna", "happy"),
    "accept": ("x",), "relabel": ("x", "happy"), "delete_sample": ("x",),
    "delete_person": ("anna",), "export": ("folder",),
}  # fmt: skip


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    fill(tmp_path / "faces", "anna", "ben")
    with Collection(tmp_path / "faces") as collection:
        yield Collector(HubSettings(), collection)


def acts() -> list[str]:
    members = inspect.getmembers(BoothActions, inspect.isfunction)
    return [name for name, _ in members if not name.startswith("_")]


@pytest.mark.parametrize("act", acts())
def test_no_act_is_for_viewers(collector: Collector, act: str) -> None:
    before = collector.collection.samples
    with pytest.raises(AffectlineError, match="viewers may not"):
        do(BoothActions(collector, VIEWER), act)
    assert collector.collection.samples == before
    assert not (collector.collection.folder / "audit.jsonl").exists()


def do(actions: BoothActions, act: str) -> None:
    named = {"only_kept": False} if act == "export" else {}
    done = getattr(actions, act)(*ARGUMENTS[act], **named)
    if isinstance(done, Coroutine):
        asyncio.run(done)


def test_the_page_of_a_viewer_can_do_nothing_and_names_nobody(collector: Collector) -> None:
    client = Client(page("/test"), request=None)
    with client:
        build_viewer_page(collector, VIEWER)
    listeners = [
        listener.type
        for element in client.elements.values()
        for listener in element._event_listeners.values()
    ]
    assert {type_ for type_ in listeners if not type_.startswith("sub_pages_")} == set()
    texts = [str(getattr(element, "text", "")) for element in client.elements.values()]
    assert any("in total: angry" in text for text in texts)
    assert not any("anna" in text for text in texts)


def test_what_is_done_is_told_and_names_nobody(collector: Collector) -> None:
    actions, collection = BoothActions(collector, OPERATOR), collector.collection
    sample = next(one for one in collection.samples if one.person == "ben")
    exported = actions.export("folder", only_kept=False)
    actions.delete_sample(sample.file)
    actions.delete_person("anna")
    text = (collection.folder / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["who"], line["did"]) for line in lines] == [
        ("operator 4d5e6f", "samples exported"), ("operator 4d5e6f", "sample deleted"),
        ("operator 4d5e6f", "person deleted"),
    ]  # fmt: skip
    assert lines[0]["export"] == exported.folder.name
    assert lines[2]["exports"] == [exported.folder.name]
    assert "anna" not in text
    assert "ben" not in text
