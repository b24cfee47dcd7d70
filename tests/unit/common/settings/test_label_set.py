"""The classifier's label set, in settings files of any age."""

from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings import pipeline
from affectline.common.settings.pipeline import PipelineSettings


@pytest.mark.parametrize(
    ("line", "label_set"),
    [
        ("label_set: ferplus", "ferplus"),
        ("label_set: fer2013", "fer2013"),
        ("answer: votes", "ferplus"),
        ("answer: labels", "fer2013"),
        ("backend: litert", "fer2013"),
    ],
)
def test_it_is_read_in_both_spellings(tmp_path: Path, line: str, label_set: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"classifier:\n  {line}\n")
    settings = pipeline.load(file)
    assert settings.classifier.label_set == label_set
    assert PipelineSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("line", ["answer: others", "answer: [votes]", "label_set: votes"])
def test_another_one_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"classifier:\n  {line}\n")
    with pytest.raises(AffectlineError, match=r"classifier\.label_set: Input should be 'fer2013'"):
        pipeline.load(file)


def test_both_spellings_at_once_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("classifier:\n  answer: votes\n  label_set: ferplus\n")
    with pytest.raises(
        AffectlineError, match=r"classifier\.answer: Extra inputs are not permitted"
    ):
        pipeline.load(file)
