from pathlib import Path

from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import SourceSettings
from affectline.services.cli.collect import plan
from affectline.services.collect.prompts import EXAMPLES, ORDER
from affectline.services.collect.spec import CollectProcess


def test_collecting_takes_what_finds_faces_and_a_page() -> None:
    source = SourceSettings(name="cam", source="0", loop=True)
    settings = PipelineSettings(sources=(source,), delivery="live", pace="realtime")
    tasks = plan(settings, Path("faces"))
    assert [task.name for task in tasks] == [
        "hub", "detector/cam", "classifier/1", "capture/cam", "booth",
    ]  # fmt: skip
    page = tasks[-1].settings
    assert isinstance(page, CollectProcess)
    assert page.folder == Path("faces").absolute()
    assert page.hub == settings.hub


def test_each_emotion_has_its_example() -> None:
    from affectline.common.labels import LABELS

    assert sorted(ORDER) == sorted(EXAMPLES) == sorted(LABELS)
