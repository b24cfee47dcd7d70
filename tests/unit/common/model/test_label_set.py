"""Label sets are named in two spellings."""

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.model.label_set import parse_label_set


@pytest.mark.parametrize(
    ("text", "label_set"),
    [("fer2013", "fer2013"), ("ferplus", "ferplus"), ("labels", "fer2013"), ("votes", "ferplus")],
)
def test_label_sets_are_read_in_both_spellings(text: str, label_set: str) -> None:
    assert parse_label_set(text) == label_set


def test_another_label_set_is_one_line() -> None:
    with pytest.raises(AffectlineError, match="--label-set others: no such label set"):
        parse_label_set("others")
