import pytest

from affectline.common.errors import AffectlineError
from affectline.services.calibration.guide import (
    LEAD_S,
    ORDER,
    Prompter,
    end_s,
    plan_markers,
    plan_prompts,
)
from affectline.services.calibration.stretches import (
    SetMarker,
    ShownExpression,
    check_apart,
    check_within,
    find_stretches,
    parse_stretch,
)
from affectline.services.sessions.edits import Annotation


@pytest.mark.parametrize("text", ["10..15", "10-15", "10s..15s", " 10.0..15 "])
def test_a_range_is_read(text: str) -> None:
    assert parse_stretch("happy", text) == ShownExpression("happy", 10, 15)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10", "not a range of seconds"), ("a..b", "not a range"), ("-5..3", "not a range"),
        ("10..11", "1 s: name at least 2 s"), ("10..10", "0 s: name at least"),
        ("15..10", "ends before it begins: such as --sad 10..15"),
        ("1e999..inf", "not a range"), ("9" * 400, "not a range"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(text: str, says: str) -> None:
    with pytest.raises(AffectlineError, match=f"--sad .*{says}"):
        parse_stretch("sad", text)


def test_markers_and_annotations_name_stretches() -> None:
    markers = [
        SetMarker(20, "end"), SetMarker(10, "neutral"), SetMarker(100, "sad"), SetMarker(101, "x"),
        SetMarker(200, "angry"),
    ]  # fmt: skip
    noted = [
        Annotation(begin_s=30, end_s=35, label="happy"),
        Annotation(begin_s=40, end_s=45, label="tunnel"),
    ]
    assert find_stretches(markers, noted) == [
        ShownExpression("neutral", 11, 20),
        ShownExpression("angry", 201, 260),
        ShownExpression("happy", 30, 35),
    ]
    assert not find_stretches([], [])


def test_ranges_end_with_the_film() -> None:
    check_within([ShownExpression("happy", 10, 20), ShownExpression("neutral", 0, 10)], 19.67, "")
    for begin in (15, 100):
        with pytest.raises(AffectlineError, match=r"--sad .*..140: the film ends at 19.7 s"):
            check_within([ShownExpression("sad", begin, 140)], 19.67, "film")


def test_a_moment_shows_one_expression() -> None:
    check_apart([ShownExpression("happy", 5, 10), ShownExpression("neutral", 0, 5)])
    with pytest.raises(AffectlineError, match=r"neutral 0..6 and happy 5..10 overlap"):
        check_apart([ShownExpression("happy", 5, 10), ShownExpression("neutral", 0, 6)])


def test_the_guide_takes_half_a_minute_and_says_each_prompt_once() -> None:
    prompts = plan_prompts()
    assert [prompt.label for prompt in prompts] == list(ORDER)
    assert end_s(prompts) - LEAD_S == 30
    said: list[str] = []
    prompter = Prompter(prompts, said.append)
    for at_s in range(40):
        prompter.reach(at_s)
    assert [text.partition(",")[0] for text in said] == list(ORDER)
    assert "waiting for a bus" in said[0]


def test_the_markers_of_the_guide_are_its_stretches() -> None:
    markers = [SetMarker(one.at_s, one.label) for one in plan_markers(plan_prompts())]
    found = find_stretches(markers, [])
    assert [one.label for one in found] == list(ORDER)
    assert found[-1].end_s == end_s(plan_prompts())
