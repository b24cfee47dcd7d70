"""Label sets: which annotators' labels a model predicts."""

from typing import Final, Literal, get_args

from affectline.common.errors import AffectlineError

LabelSet = Literal["fer2013", "ferplus"]
"""The labels that a model predicts: FER2013's, or those chosen by most of FER+'s ten annotators.
The two agree on two faces of three."""
OLD_LABEL_SETS: Final[dict[str, LabelSet]] = {"labels": "fer2013", "votes": "ferplus"}
"""Their names when the option was called ``--answer``."""


def parse_label_set(text: str) -> LabelSet:
    """Parse the name of a label set, in the current or the old spelling.

    Raises:
        AffectlineError: There is no such label set.
    """
    for name in get_args(LabelSet):
        if name == OLD_LABEL_SETS.get(text, text):
            return name  # type: ignore[no-any-return]
    raise AffectlineError(f"--label-set {text}: no such label set", "name fer2013 or ferplus")
