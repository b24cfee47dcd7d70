import pytest

from affectline.services.overlay.grid import cells, fit, window_size
from affectline.services.overlay.placement import Rect

WIDE = 16 / 9


@pytest.mark.parametrize(
    ("count", "size", "shape"),
    [
        (1, (1280, 720), (1, 1)), (2, (1280, 360), (2, 1)), (2, (640, 720), (1, 2)),
        (4, (1280, 720), (2, 2)), (5, (1280, 720), (3, 2)), (9, (1280, 720), (3, 3)),
    ],
)  # fmt: skip
def test_the_grid_is_that_in_which_pictures_are_largest(
    count: int, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    found = cells(count, size, WIDE)
    assert len(found) == count
    assert (len({c.left for c in found}), len({c.top for c in found})) == shape
    for number, cell in enumerate(found):
        assert cell.right <= size[0]
        assert cell.bottom <= size[1]
        assert not any(cell.shared(other) for other in found[number + 1 :])


@pytest.mark.parametrize("picture", [(640, 360), (480, 640), (100, 100), (3000, 2)])
def test_a_picture_keeps_its_proportions(picture: tuple[int, int]) -> None:
    cell = Rect(10, 20, 300, 200)
    at = fit(picture, cell)
    assert at.shared(cell) == at.width * at.height
    assert at.width in (300, round(200 * picture[0] / picture[1]))
    assert at.height in (200, max(1, round(300 * picture[1] / picture[0])))


@pytest.mark.parametrize("screen", [(1280, 720), (1440, 900), (1920, 1080), (3840, 1080)])
@pytest.mark.parametrize("picture", [(160, 120), (640, 360), (1920, 1080), (720, 1280)])
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_a_window_fits_the_screen(
    screen: tuple[int, int], picture: tuple[int, int], count: int
) -> None:
    width, height = window_size([picture], count, screen, 960)
    assert 100 < width <= screen[0] * 0.9
    assert 100 < height <= screen[1] * 0.8
    if count == 1:
        assert width / height == pytest.approx(picture[0] / picture[1], rel=0.01)


def test_small_pictures_are_enlarged_and_large_ones_made_to_fit() -> None:
    assert window_size([(176, 144)], 1, (3840, 2160), 960) == (960, 785)
    assert window_size([(640, 360)], 1, (1920, 1080), 960) == (960, 540)
    assert window_size([(3840, 2160)], 1, (1920, 1080), 960) == (1536, 864)
    assert window_size([], 1, (1920, 1080), 960) == (960, 540)
    assert window_size([(176, 144)], 4, (1920, 1080), 960) == (1280, 720)
    assert window_size([(1280, 720)], 4, (1920, 1080), 960) == (1536, 864)
