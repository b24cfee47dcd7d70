"""Plans the processes that `affectline replay` starts."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.time_line import find_session_start, read_time_line
from affectline.common.runtime.spec import Run
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.recording import PRIVACIES
from affectline.common.settings.sources import SourceSettings
from affectline.common.wire.biometrics import Samples
from affectline.services.registry import SPECS
from affectline.services.replay.spec import RAW, ReplaySettings
from affectline.services.sessions.recording import session_name
from affectline.services.supervisor.plan import complete, plan
from affectline.services.supervisor.process import ProcessSpec

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_rate(text: str) -> float | None:
    """Speed of a replay as a multiple: a number, or None for ``max``.

    Raises:
        AffectlineError: The text is neither.
    """
    if text == "max":
        return None
    try:
        rate = float(text.removesuffix("x"))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise AffectlineError(f"--rate {text}: not a rate", "0.5, 1, 4 or max, for example")
    return rate


def parse_time(text: str, argument: str = "--from") -> float:
    """Seconds, from ``30``, ``30s``, ``1m30s`` or ``250ms``.

    Args:
        text: The time.
        argument: Where it was given, for the error.

    Raises:
        AffectlineError: The text is not a time.
    """
    found = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?", text)
    if not found or "".join("".join(pair) for pair in found) != text.replace(" ", ""):
        raise AffectlineError(f"{argument} {text}: not a time", "30s or 1m30s, for example")
    return sum(float(number) * UNITS[unit or "s"] for number, unit in found)


def prepare(
    settings: PipelineSettings, replay: ReplaySettings, claims: ExitStack | None = None
) -> PipelineSettings:
    """Settings for a replay: the recording's streams as sources, in lossless delivery.

    Args:
        settings: Settings of the replay.
        replay: What is replayed.
        claims: As for `complete`.

    Raises:
        AffectlineError: The recording cannot be read, or holds nothing to reanalyse.
    """
    streams = find_streams(replay)
    if settings.recording.record:
        settings = keep_private(settings, replay.file)
    sources = tuple(SourceSettings(name=name, source=str(replay.file)) for name in streams)
    # The recording already contains the markers that were planned when it was made
    settings = settings.model_copy(
        update={"sources": sources, "delivery": "lossless", "markers": ()}
    )
    needs_folder = settings.recording.record or settings.sink.display in ("window", "mp4")
    if settings.sink.out is None and not needs_folder:
        return settings
    # A recording with only signals has no stream that could name the folder
    named = sources or (SourceSettings(name="replay", source=str(replay.file)),)
    settings = complete(settings.model_copy(update={"sources": named}), claims)
    return settings.model_copy(update={"sources": sources})


def keep_private(settings: PipelineSettings, file: Path) -> PipelineSettings:
    """Settings with which a copy of a recording has at least the privacy of its original."""
    with SessionReader(file) as reader:
        recorded = reader.about.get("privacy")
    at_least = PRIVACIES.index(recorded) if recorded in PRIVACIES else 0
    kept = PRIVACIES[max(at_least, PRIVACIES.index(settings.recording.privacy))]
    recording = settings.recording.model_copy(update={"privacy": kept})
    return settings.model_copy(update={"recording": recording})


def find_streams(replay: ReplaySettings) -> list[str]:
    """Names of the streams that a replay will publish.

    Raises:
        AffectlineError: The recording cannot be read, or holds nothing to reanalyse.
    """
    with SessionReader(replay.file) as reader:
        privacy = reader.about.get("privacy", "everything")
        topics = [topic for topic in reader.topics() if topic.startswith(replay.topics or ("",))]
        end_s = read_time_line(reader).end_s
    if replay.reanalyse:
        topics = [topic for topic in topics if topic.startswith(RAW)]
    if replay.begin_s > max(0.0, end_s):
        raise AffectlineError(
            f"--from {replay.begin_s:g}s: the recording ends at {end_s:.1f} s",
            "begin earlier",
        )
    if not topics:
        raise AffectlineError(
            f"FILE {replay.file}: holds no message to replay",
            "see affectline info for what is in it",
        )
    if replay.reanalyse and privacy != "everything":
        raise AffectlineError(
            f"--reanalyse {replay.file}: it was recorded with privacy {privacy!r}, without faces "
            f"to classify again",
            "replay it without --reanalyse, or record with --privacy everything",
        )
    pairs = (topic.split("/", 1) for topic in topics)
    # Without frames, a reanalysis has no results to wait for at the end of a stream
    wanted = ("frame",) if replay.reanalyse else ("frame", "emotion", "stream")
    return list(dict.fromkeys(name for prefix, name in pairs if prefix in wanted))


def plan_replay(settings: PipelineSettings, replay: ReplaySettings) -> list[ProcessSpec]:
    """The processes of a replay, on the time line of the recording.

    Raises:
        AffectlineError: The recording cannot be read.
    """
    with SessionReader(replay.file) as reader:
        session_start = find_session_start(reader)
        origin = describe_origin(reader.about, settings, replay)
        prefix = f"{Samples.topic_prefix}/"
        measured = {t.split("/")[1] for t in reader.topics() if t.startswith(prefix)}
    run = Run(
        settings, "reanalysed" if replay.reanalyse else "as recorded", session_start,
        frozenset(measured), origin,
    )  # fmt: skip
    return plan(run, ProcessSpec(SPECS["replay"], replay))


def describe_origin(
    about: Mapping[str, Any], settings: PipelineSettings, replay: ReplaySettings
) -> dict[str, Any]:
    """What a replay's files say about the session as its recording does.

    Args:
        about: Facts about the recording.
        settings: Settings of the replay, whose study fields take precedence.
        replay: What is replayed.
    """
    origin = {name: about[name] for name in ("title", "replay_of") if name in about}
    origin.setdefault("replay_of", session_name(replay.file))
    if study := about.get("study", {}) | settings.study.flat():
        origin["study"] = study
    fusion = about.get("settings", {}).get("fusion")
    if fusion is not None and not replay.reanalyse:  # its states were estimated with it
        origin["settings"] = settings.describe()["settings"] | {"fusion": fusion}
    return origin
