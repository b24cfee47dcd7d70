"""The classifier's answer, in settings files of any age."""

from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings import pipeline
from affectline.common.settings.pipeline import PipelineSettings


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("answer: votes", "votes"),
        ("answer: consensus", "consensus"),
        ("label_set: ferplus", "votes"),
        ("label_set: fer2013", "labels"),
        ("backend: litert", None),
    ],
)
def test_it_is_read_in_both_spellings(tmp_path: Path, line: str, answer: str | None) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"classifier:\n  {line}\n")
    settings = pipeline.load(file)
    assert settings.classifier.answer == answer
    assert PipelineSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("line", ["label_set: others", "label_set: [votes]", "answer: ferplus"])
def test_another_one_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"classifier:\n  {line}\n")
    with pytest.raises(AffectlineError, match=r"classifier\.answer: Input should be 'labels'"):
        pipeline.load(file)


def test_both_spellings_at_once_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("classifier:\n  answer: votes\n  label_set: ferplus\n")
    with pytest.raises(AffectlineError, match=r"classifier\.label_set: there is no such setting"):
        pipeline.load(file)
