"""Detects which instructions this machine's processor has."""

from pathlib import Path
from typing import Final

CPU_INFO: Final = Path("/proc/cpuinfo")
"""The file in which Linux lists the features of the processor."""
BFLOAT16: Final = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "svebf16"}
"""Names of instructions that multiply in bfloat16, on x86 and on ARM."""


def fast_in_bfloat16(cpu_info: Path = CPU_INFO) -> bool:
    """Whether the processor multiplies in bfloat16; ``False`` if that is unknown.

    Without such instructions bfloat16 is computed in float32, with a conversion before and after.
    On a processor with AVX-512 only, that took 2.3 to 2.7 times as long as float32 alone.
    """
    try:
        words = cpu_info.read_text().split()
    except OSError:
        return False
    return not BFLOAT16.isdisjoint(words)
