import os
import warnings

import pytest

from affectline.training.silence_output import silence_output


def test_nothing_is_heard_inside_and_everything_after(capfd: pytest.CaptureFixture[str]) -> None:
    with silence_output():
        print("printed")  # noqa: T201
        os.write(2, b"from below\n")
        warnings.warn("watch out", stacklevel=1)
    os.write(2, b"later\n")
    assert capfd.readouterr() == ("", "later\n")


def test_exceptions_pass_and_the_voice_returns(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="real"), silence_output():
        raise ValueError("real")
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"
