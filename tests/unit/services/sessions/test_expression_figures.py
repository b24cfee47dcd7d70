"""Share of the frames and mean probability, the same wherever they are told."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.circumplex import CIRCUMPLEX, map_to_circumplex
from affectline.common.labels import LABELS
from affectline.common.wire.messages import FaceEmotion
from affectline.services.sessions.expression_figures import ExpressionFigures
from tests.samples import EMOTION

SEEN, UNSEEN = EMOTION.faces


def face(label: str, **shares: float) -> FaceEmotion:
    probabilities = tuple(shares.get(one, 0.0) for one in LABELS)
    return SEEN.model_copy(update={"label": label, "probabilities": probabilities})


def figures(faces: list[FaceEmotion]) -> ExpressionFigures:
    found = ExpressionFigures()
    for one in faces:
        found.add(one)
    return found


def test_the_label_counts_for_one_figure_and_the_distribution_for_the_other() -> None:
    found = figures([face("sad", happy=0.5, sad=0.5), face("happy", happy=1.0)])
    assert found.share_of_frames() == dict.fromkeys(LABELS, 0.0) | {"happy": 0.5, "sad": 0.5}
    assert found.mean_probability() == dict.fromkeys(LABELS, 0.0) | {"happy": 0.75, "sad": 0.25}
    assert found.by_share()[0] == ("happy", 0.5, 0.75)


def test_a_face_without_a_result_counts_for_nothing() -> None:
    found = figures([UNSEEN, face("happy", happy=1.0)])
    assert (found.faces, found.share_of_frames()["happy"]) == (1, 1.0)
    nothing = figures([UNSEEN])
    assert set(nothing.share_of_frames().values()) == {0.0}
    assert nothing.affect() is None


def test_valence_and_arousal_are_the_means_of_the_faces() -> None:
    faces = [face("happy", happy=0.8, fear=0.2), face("sad", sad=0.7, neutral=0.3)]
    affects = [map_to_circumplex(one.probabilities or ()) for one in faces]
    found = figures(faces).affect()
    assert found is not None
    assert found.valence == pytest.approx(sum(one.valence for one in affects) / 2)
    assert found.arousal == pytest.approx(sum(one.arousal for one in affects) / 2)
    alone = figures([face("fear", fear=1.0)]).affect()
    assert alone is not None
    assert (alone.valence, alone.arousal) == CIRCUMPLEX["fear"]


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_order_and_parts_change_no_digit(seed: int, count: int) -> None:
    source = random.Random(seed)
    faces = []
    for _ in range(count):
        raw = [source.random() for _ in LABELS]
        shares = {label: part / sum(raw) for label, part in zip(LABELS, raw, strict=True)}
        faces.append(face(max(shares, key=shares.__getitem__), **shares))
    whole = figures(faces).to_dict()
    cut = source.randrange(count)
    assert figures(faces[:cut]).merge([figures(faces[cut:])]).to_dict() == whole
    assert figures(faces[::-1]).to_dict() == whole
    saved = ExpressionFigures.model_validate_json(figures(faces).model_dump_json())
    assert saved.to_dict() == whole
