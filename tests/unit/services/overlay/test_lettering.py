import numpy as np
import pytest

from affectline.services.overlay.lettering import INK, shorten, text_page, text_size, write


def ink(text: str, size: int = 24) -> bytes:
    return text_page(text, size).tobytes()


@pytest.mark.parametrize("character", "µé·°…üßñøłŽΔЖ≥→%#€")
def test_signs_and_the_letters_of_many_languages_are_there(character: str) -> None:
    assert ink(character) not in (ink("\U0010fffd"), ink(" "))


def test_digits_are_of_one_width_so_that_time_codes_stand_still() -> None:
    assert len({text_size(f"00:00:00.00{digit}", 24) for digit in range(10)}) == 1


def test_control_characters_are_left_out() -> None:
    assert ink("a\nb\u202e\x1b") == ink("ab")


def test_a_text_that_is_too_long_keeps_its_end() -> None:
    short = shorten("a/very/long/path/of/a/picture.png", 20, 120)
    assert short.startswith("…")
    assert short.endswith("picture.png")
    assert text_size(short, 20)[0] <= 120
    assert shorten("short", 20, 120) == "short"


@pytest.mark.parametrize("at", [(-10, -5), (35, 15), (100, 100), (-500, 3)])
def test_what_is_outside_of_the_picture_is_left_out(at: tuple[int, int]) -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    write(image, "Affectline", at, 12)
    assert image.any() == (at in [(-10, -5), (35, 15)])


def test_ink_has_its_colour_and_what_is_beside_it_stays() -> None:
    image = np.full((40, 100, 3), 90, np.uint8)
    write(image, "l", (10, 2), 24)
    colours = {tuple(int(v) for v in pixel) for pixel in image.reshape(-1, 3)}
    assert {INK, (90, 90, 90)} <= colours
