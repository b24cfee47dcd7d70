"""Answers: whose labels the probabilities of a model predict."""

from typing import Final, Literal, get_args

from affectline.common.errors import AffectlineError

Answer = Literal["labels", "votes", "consensus"]
"""What the probabilities predict: FER2013's label, the choice of most of FER+'s ten annotators, or
both at once, as the mean of the two distributions. The first two agree on two faces of three."""
FORMER_NAMES: Final[dict[str, Answer]] = {"fer2013": "labels", "ferplus": "votes"}
"""Names of answers when the option was called ``--label-set``."""


def answer_of(model_id: str) -> Answer:
    """The answer that a model's identity in messages names, such as ``vgg16-48@1f3a9c02+votes``."""
    named = model_id.split("+")[1:]
    return next((name for name in get_args(Answer) if name in named), "labels")


def parse_answer(text: str) -> Answer:
    """Parse the name of an answer, in the current or the former spelling.

    Raises:
        AffectlineError: There is no such answer.
    """
    for name in get_args(Answer):
        if name == FORMER_NAMES.get(text, text):
            return name  # type: ignore[no-any-return]
    raise AffectlineError(f"--answer {text}: no such answer", "name labels, votes or consensus")
