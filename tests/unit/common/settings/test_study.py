"""Labels of a study are texts, and those of its own have names of their own."""

import pytest
from pydantic import ValidationError

from affectline.common.settings.study import StudySettings


def test_what_was_given_is_flat_and_in_order() -> None:
    study = StudySettings(condition="rain", participant=" 07 ", fields={"age": "34"})
    assert list(study.flat().items()) == [
        ("participant", "07"),
        ("condition", "rain"),
        ("age", "34"),
    ]
    assert StudySettings().flat() == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"participant": 7}, "valid string"),
        ({"participant": " "}, "at least 1 character"),
        ({"task": "x" * 65}, "at most 64"),
        ({"fields": {"task": "drive"}}, "set it beside fields"),
        ({"fields": {"a b": "1"}}, "pattern"),
    ],
)
def test_what_is_no_label_is_refused(content: object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        StudySettings.model_validate(content)
