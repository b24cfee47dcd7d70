"""Which arithmetic a machine is quick at."""

from pathlib import Path

import pytest

from affectline.training.cpu_features import fast_in_bfloat16


@pytest.mark.parametrize(
    ("flags", "quick"),
    [
        ("flags : fpu sse2 avx512f avx512_vnni avx512_bf16", True),
        ("flags : fpu avx512f amx_bf16 amx_tile", True),
        ("Features : fp asimd i8mm bf16", True),
        ("flags : fpu sse2 avx2 avx512f avx512_vnni", False),
        ("model name : made by bf16-less", False),
    ],
)
def test_bfloat16_is_quick_where_the_processor_says_so(
    tmp_path: Path, flags: str, quick: bool
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor : 0\n{flags}\n")
    assert fast_in_bfloat16(told) is quick


def test_where_nothing_is_told_it_is_not(tmp_path: Path) -> None:
    assert not fast_in_bfloat16(tmp_path / "none")
