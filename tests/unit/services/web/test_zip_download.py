"""What a page says when it cannot make a ZIP file."""

import errno
import os

import pytest

from affectline.services.web import zip_download


@pytest.mark.parametrize(
    ("number", "status", "is_space"),
    [
        (errno.ENOSPC, 507, True), (errno.EDQUOT, 507, True), (errno.EACCES, 500, False),
        (errno.EIO, 500, False),
    ],
)  # fmt: skip
def test_only_a_full_disk_needs_room(number: int, status: int, is_space: bool) -> None:
    answer = zip_download.explain(OSError(number, os.strerror(number)))
    text = bytes(answer.body).decode()
    assert answer.status_code == status
    assert os.strerror(number) in text
    assert ("Make room" in text) == is_space
