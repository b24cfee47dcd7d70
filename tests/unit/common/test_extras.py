"""Optional parts of the installation."""

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.extras import require_extra


def test_what_is_installed_is_accepted() -> None:
    require_extra("a command", "some", "numpy", "pydantic")


def test_what_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(AffectlineError, match="a command needs no_such_package, not") as caught:
        require_extra("a command", "some", "numpy", "no_such_package")
    assert "pip install 'affectline[some]'" in str(caught.value)
