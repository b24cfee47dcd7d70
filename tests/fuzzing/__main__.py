"""``make fuzz``: gives every decoder bytes that nobody would write, for as long as wanted.

With atheris, which follows the branches that bytes take (libFuzzer), where it can be installed;
else with the damage of the property tests, at random. What makes a decoder break its promises is
kept, and tried again each time; so is what reaches new branches.
"""

import argparse
import importlib.util
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from tests.benchmarks.environment import ROOT

CORPUS: Final = ROOT / ".cache" / "fuzzing"
"""By decoder: what was worth keeping, and, as ``crash-…``, what broke it."""
SECONDS: Final = 60.0
LONGEST: Final = 200_000
MEMORY_MB: Final = 2048
SLOWEST_S: Final = 20


def main() -> None:
    """Fuzz the decoders that the command line names."""
    parser = argparse.ArgumentParser("python -m tests.fuzzing", description=__doc__)
    parser.add_argument("decoders", nargs="*", help="their names; all by default")
    parser.add_argument("--list", action="store_true", help="print their names")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="for each of them  [default: 60]"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _fuzz(options.decoders[0], options.seconds)
        return
    from tests.fuzzing.decoders import DECODERS

    if options.list:
        sys.stdout.write("\n".join(DECODERS) + "\n")
        return
    unknown = sorted({*options.decoders} - {*DECODERS})
    if unknown:
        parser.error(f"no decoder {', '.join(unknown)}: there are {', '.join(DECODERS)}")
    failed = [name for name in options.decoders or DECODERS if not _run(name, options.seconds)]
    if failed:
        raise SystemExit(f"broke their promises: {', '.join(failed)}; see {CORPUS}")


def _run(name: str, seconds: float) -> bool:
    """Fuzz one decoder in a process of its own: libFuzzer ends the one that it is in."""
    command = [sys.executable, "-m", "tests.fuzzing", name, "--one", "--seconds", str(seconds)]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    figures = [line for line in lines if line.startswith(("stat::number_of", "runs:"))]
    runs = figures[0].split()[-1] if figures else "?"
    verdict = "sound" if done.returncode == 0 else "BROKEN"
    sys.stdout.write(f"{name:<18} {verdict:<7} {runs} runs in {time.monotonic() - begin:.0f} s\n")
    if done.returncode:
        sys.stdout.write("\n".join(lines[-60:]) + "\n")
    sys.stdout.flush()
    return done.returncode == 0


def _fuzz(name: str, seconds: float) -> None:
    place = CORPUS / name
    place.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris"):
        _follow_branches(name, place, seconds)
    else:
        _try_at_random(name, place, seconds)


def _follow_branches(name: str, place: Path, seconds: float) -> None:
    import atheris

    with atheris.instrument_imports(include=["affectline", "polar_python", "yaml"]):
        from tests.fuzzing.decoder import check
        from tests.fuzzing.decoders import DECODERS

    decoder = DECODERS[name]
    for i, seed in enumerate(decoder.seeds()):
        (place / f"seed-{i}").write_bytes(seed)
    words = place.with_suffix(".dict")
    words.write_text("".join(f"{_quote(word)}\n" for word in decoder.words if len(word) <= 64))
    broken = [*place.glob("crash-*"), *place.glob("oom-*"), *place.glob("timeout-*")]
    for path in broken:
        check(decoder, path.read_bytes())
        path.unlink()  # it is mended
    arguments = [
        "affectline", str(place), f"-dict={words}", f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={LONGEST}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SLOWEST_S}",
        f"-artifact_prefix={place}/", "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup(arguments, lambda data: check(decoder, data))
    atheris.Fuzz()


def _quote(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


def _try_at_random(name: str, place: Path, seconds: float) -> None:
    from tests.fuzzing.decoder import check
    from tests.fuzzing.decoders import DECODERS

    decoder, end = DECODERS[name], time.monotonic() + seconds
    source, runs = random.Random(), 0
    tried = [path.read_bytes() for path in place.glob("crash-*")]
    while tried or time.monotonic() < end:
        data = tried.pop() if tried else _damage(source, decoder.seeds(), decoder.words)
        runs += 1
        try:
            check(decoder, data)
        except Exception:
            (place / f"crash-{time.time_ns()}").write_bytes(data)
            traceback.print_exc()
            raise SystemExit(1) from None
    sys.stdout.write(f"runs: {runs}\n")


def _damage(source: random.Random, seeds: object, words: tuple[bytes, ...]) -> bytes:
    data = bytearray(source.choice(list(seeds)))  # type: ignore[call-overload]
    for _ in range(source.randint(1, 4)):
        at = source.randint(0, len(data))
        end = at + source.choice((0, 0, 1, 4, 8, len(data)))
        piece = source.choice(words) if words and source.random() < 0.4 else b""
        data[at:end] = piece or source.randbytes(source.randint(0, 8))
    return bytes(data)


if __name__ == "__main__":
    main()
