"""What ps shows of a process is what the process writes there."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from affectline.common.argument_memory import rewrite_arguments
done = rewrite_arguments(lambda memory: {change})
print(done, Path("/proc/self/cmdline").read_bytes().split(b"\\0")[-2].decode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ('memory.replace(b"secret", b"*" * 6)', "True ******"),
        ('memory.replace(b"secret", b"longer than that")', "False secret"),
    ],
)
def test_arguments_are_rewritten_in_their_place(change: str, shown: str) -> None:
    program = PROGRAM.replace("{change}", change)
    done = subprocess.run(
        [sys.executable, "-c", program, "secret"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == shown
