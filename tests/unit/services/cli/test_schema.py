"""``affectline schema`` prints what is committed in docs/schemas."""

import json

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import MESSAGES
from affectline.services.cli.schema import schema


def test_one_message_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    schema("Emotion")
    one = json.loads(capsys.readouterr().out)
    schema(None)
    every = json.loads(capsys.readouterr().out)
    assert one["title"] == "Emotion"
    assert set(every) == set(MESSAGES)
    assert every["Emotion"] == one


def test_an_unknown_message_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AffectlineError, match=r"MESSAGE Feeling: .*Emotion"):
        schema("Feeling")
