"""Answers are named in two spellings."""

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.model.answer import parse_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("labels", "labels"),
        ("votes", "votes"),
        ("consensus", "consensus"),
        ("fer2013", "labels"),
        ("ferplus", "votes"),
    ],
)
def test_answers_are_read_in_both_spellings(text: str, answer: str) -> None:
    assert parse_answer(text) == answer


def test_another_answer_is_one_line() -> None:
    with pytest.raises(AffectlineError, match="--answer others: no such answer"):
        parse_answer("others")
