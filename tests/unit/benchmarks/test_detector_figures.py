"""What is written of the detector's time and recall, and which films these are of."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from tests.benchmarks.detector_page import format_detector
from tests.benchmarks.films import CATALOGUE, find_films
from tests.benchmarks.recall import BACKENDS, merge
from tests.benchmarks.recall_chart import draw_recall
from tests.benchmarks.recall_page import format_recall
from tests.benchmarks.results import BackendRecall, ClipTimes, FilmRecall, OptionTimes, Spread
from tests.benchmarks.targets import SIGNS, judge_ratio, judge_signs
from tests.films import film

SIGNS_IN_TURN = ("landmarks", "landmarks + pose", SIGNS)


def times(
    ratio: float = 0.9, added: float = 4.0, faces: int = 20, other_cores: float = 0.0
) -> ClipTimes:
    """A clip of ten frames with two faces each, in which each sign costs a third."""

    def option(backend: str, signs: str, mean: float) -> OptionTimes:
        found = min(faces, 10)
        return OptionTimes(
            backend=backend, signs=signs, mean=mean, p50=mean, p99=mean, found=found, faces=faces
        )

    plain = [option("haar", "", 2.0), option("haar+net", "", 2.0 * ratio), option("net", "", 3.0)]
    signs = [
        option("haar+net", name, 2.0 * ratio + 2 * added * third / 3)
        for third, name in enumerate(SIGNS_IN_TURN, start=1)
    ]
    return ClipTimes(
        clip="drive", size=(640, 360), frames=10, rounds=3, options=[*plain, *signs],
        ratio=Spread.of([ratio, ratio - 0.01, ratio + 0.01]), other_cores=other_cores,
        commit="abc", date="2026-11-29",
    )  # fmt: skip


def recall(name: str, shares: tuple[int, int, int], *, is_made: bool = False) -> FilmRecall:
    runs = [
        BackendRecall(backend=backend, found=found, false_faces=1, tracks=2, ms=2.0 + number)
        for number, (backend, found) in enumerate(zip(BACKENDS, shares, strict=True))
    ]
    return FilmRecall(
        film=name, shows="a man | a car", source="PyPI films 1.0", is_made=is_made, size=(64, 48),
        frames=120, shown=100, empty=10, rounds=3, plain=runs, framed=runs,
        commit="abc", date="2026-11-29",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("clip", "ratio", "signs"),
    [
        (times(), "met", "met"),
        (times(ratio=1.02), "missed", "met"),
        (times(added=5.1), "met", "missed"),
        (times(ratio=1.02, added=5.1, other_cores=1.0), "undecided", "undecided"),
        (times(faces=0), "", ""),
    ],
)
def test_times_are_compared_with_their_targets(clip: ClipTimes, ratio: str, signs: str) -> None:
    assert (judge_ratio(clip), judge_signs(clip)) == (ratio, signs)


def test_what_signs_cost_is_told_by_face() -> None:
    clip = times(added=4.5)
    assert clip.added_ms("landmarks") == pytest.approx(1.5)
    assert clip.added_ms(SIGNS, "landmarks + pose") == pytest.approx(1.5)
    assert clip.added_ms(SIGNS) == pytest.approx(4.5)


def test_times_have_a_row_for_each_choice_and_one_for_the_targets() -> None:
    text = "\n\n".join(format_detector([times()]))
    assert "| drive, 640x360 | `haar+net` | landmarks + pose + eyes | 9.8 |" in text
    assert "| drive | 0.90 (0.89 to 0.91) | met | 1.33 | 1.33 | 1.33 | 4.00 | met | 0.00 |" in text
    assert not list(format_detector([]))


def test_recall_tells_made_films_from_others() -> None:
    text = format_recall([recall("a", (50, 100, 90)), recall("b", (80, 80, 90), is_made=True)])
    assert "| `haar` | without | 50.0% (50%) | 80.0% (80%) | 2 | 2.0 |" in text
    assert text.index("Films, without landmarks") < text.index("Made films")
    assert "not at hand" in format_recall([])


def test_the_picture_has_a_mark_for_each_film_and_backend() -> None:
    films = [recall("a", (50, 100, 90)), recall("b", (100, 100, 100), is_made=True)]
    names = [
        title.text for title in ET.fromstring(draw_recall(films)).iter() if "title" in title.tag
    ]
    assert sorted(filter(None, names))[-6:] == [
        "a: 100.0%, 3.0 ms", "a: 50.0%, 2.0 ms", "a: 90.0%, 4.0 ms",
        "b: 100.0%, 2.0 ms", "b: 100.0%, 3.0 ms", "b: 100.0%, 4.0 ms",
    ]  # fmt: skip
    ET.fromstring(draw_recall([]))


def test_films_that_are_not_at_hand_keep_their_results() -> None:
    before = [recall("a", (1, 1, 1)), recall("b", (2, 2, 2))]
    found = merge(before, [recall("b", (3, 3, 3))])
    assert [(one.film, one.find("haar").found) for one in found] == [("a", 1), ("b", 3)]


def test_films_are_those_with_labels(tmp_path: Path) -> None:
    for name in ("drive", "unlabelled"):
        film(tmp_path / f"{name}.avi", 3)
    (tmp_path / "drive.json").write_text(json.dumps({"visible": [[0, 1]], "none": [[2, 2]]}))
    (found,) = find_films(tmp_path)
    assert (found.name, found.visible, found.none) == ("drive", [(0, 1)], [(2, 2)])


@pytest.mark.parametrize("content", ["", "[]", '{"visible": []}', '{"visible": [1], "none": []}'])
def test_labels_that_are_none_are_named(tmp_path: Path, content: str) -> None:
    film(tmp_path / "drive.avi", 1)
    (tmp_path / "drive.json").write_text(content)
    with pytest.raises(AffectlineError, match=r"drive\.json"):
        find_films(tmp_path)


def test_a_folder_without_labelled_films_is_named(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"no film with a NAME\.json beside it"):
        find_films(tmp_path)


def test_the_catalogue_says_what_each_film_is_and_where_it_is_from() -> None:
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "film,shows,source,made"
    assert all(line.startswith("made_") == line.endswith(",yes") for line in lines[1:])
