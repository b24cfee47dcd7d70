"""``affectline calibrate``: one person's own shift of the probabilities."""

import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from affectline.common.address import redact
from affectline.common.errors import AffectlineError
from affectline.services.cli.options import (
    AnswerName,
    AsJson,
    BackendName,
    ConfigFile,
    DetectorName,
    GroupAccess,
    Model,
    Participant,
    read_settings,
    with_detector,
    with_overrides,
    with_study,
)

if TYPE_CHECKING:
    from affectline.common.model.calibration import Calibration, Material
    from affectline.common.settings.pipeline import PipelineSettings
    from affectline.services.calibration.person_faces import PersonFaces
    from affectline.services.calibration.shift import HeldOutFigures
    from affectline.services.calibration.stretches import ShownExpression


ANALYSED: Final = (
    "a session is calibrated with the results that it has",
    "leave it out, or calibrate the film, or a session of replay --reanalyse",
)
"""Why options of an analysis do not apply, and what to do."""


def _range(label: str) -> Any:
    return typer.Option(
        f"--{label}", metavar="FROM..TO", help=f"Seconds that show {label}. Repeatable."
    )


def calibrate(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Camera index or address (a guided half minute), film, session folder, or a "
            "folder of affectline collect.",
        ),
    ],
    neutral: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM..TO",
            help="Seconds that show a neutral face. Repeatable.  [default for a film: all of it]",
        ),
    ] = None,
    happy: Annotated[list[str] | None, _range("happy")] = None,
    sad: Annotated[list[str] | None, _range("sad")] = None,
    angry: Annotated[list[str] | None, _range("angry")] = None,
    fear: Annotated[list[str] | None, _range("fear")] = None,
    surprise: Annotated[list[str] | None, _range("surprise")] = None,
    disgust: Annotated[list[str] | None, _range("disgust")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Session folder.  [default: that of SOURCE, else sessions/<time>-<stream>]"
        ),
    ] = None,
    participant: Participant = None,
    stream: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of a session: the stream that shows the person.  [default: the only one with "
            "faces]",
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            min=0.25,
            max=1000,
            metavar="N",
            help="Pull of the shift towards 0: the inverse of its variance.  [default: 2]",
        ),
    ] = None,
    group_access: GroupAccess = False,
    detector: DetectorName = None,
    model: Model = None,
    answer: AnswerName = None,
    backend: BackendName = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate the expressions to one person, and keep the result in a session folder.

    The calibration is switched off if it does not help on faces left out of the fit.

    Example: affectline calibrate anna.mp4 --neutral 0..10 --happy 10..15 --out sessions/anna
    """
    from affectline.services.calibration.make import make_calibration, write_calibration
    from affectline.services.calibration.person_faces import is_collection, read_collected_faces
    from affectline.services.calibration.shift import STRENGTH
    from affectline.services.calibration.stretches import check_apart, parse_stretch

    ranges = {
        "neutral": neutral, "happy": happy, "sad": sad, "angry": angry, "fear": fear,
        "surprise": surprise, "disgust": disgust,
    }  # fmt: skip
    stretches = [
        parse_stretch(label, text) for label, texts in ranges.items() for text in texts or ()
    ]
    check_apart(stretches)
    settings = read_settings(config_file)
    settings = with_overrides(
        settings,
        sink=with_overrides(settings.sink, out=out, group_access=group_access or None),
        study=with_study(settings.study, participant=participant),
        detector=with_detector(settings.detector, detector),
        classifier=with_overrides(settings.classifier, model=model, answer=answer, backend=backend),
    )
    settings = settings.model_copy(
        update={"classifier": settings.classifier.model_copy(update={"calibration": None})}
    )
    path = Path(source)
    with ExitStack() as claims, ExitStack() as undo:
        if is_collection(path):
            _refuse_ranges(stretches, "its pictures have labels")
            _refuse("it holds pictures of one face each", detector=detector, stream=stream)
            _refuse("the calibration stays as private as it is", group_access=group_access)
            faces = read_collected_faces(path, participant, settings.classifier)
            person = participant or faces.person
            folder = out or path / "people" / str(person)
        elif _is_session(path):
            _refuse(
                *ANALYSED, answer=answer, model=model, backend=backend, detector=detector,
                config=config_file,
            )  # fmt: skip
            _refuse("the calibration stays as private as it is", group_access=group_access)
            faces = _from_session(path, stretches, stream)
            folder = out or _session_folder(path)
            _check_participant(settings.study.participant, faces.person)
            person = settings.study.participant or faces.person
        else:
            _refuse("it has one stream", stream=stream)
            try:
                faces, folder = _from_source(
                    context, claims, undo, source, stretches, settings, quiet=as_json
                )
            except AffectlineError as error:  # SOURCE is not an option here
                problem = re.sub(r"^(capture/\S+: )?--source ", "", error.problem)
                raise AffectlineError(problem, error.fix, error.details) from error
            person = settings.study.participant
        faces, unseen = faces.without_unseen()
        for label in unseen:
            typer.echo(f"affectline: {label} is left out: the model hardly sees it here", err=True)
        calibration, figures = make_calibration(faces, person, strength or STRENGTH)
        written = write_calibration(calibration, folder)
        undo.pop_all()
    _print_result(calibration, figures, written, as_json=as_json)


def _refuse_ranges(stretches: "list[ShownExpression]", why: str) -> None:
    if stretches:
        raise AffectlineError(f"--{stretches[0].label} with this SOURCE: {why}", "leave it out")


def _refuse(why: str, fix: str = "leave it out", **options: object) -> None:
    """Refuse options that would change nothing, rather than to ignore them.

    Args:
        why: Why they do not apply to this source.
        fix: What to do.
        options: Their values; None or False for those that were not given.

    Raises:
        AffectlineError: One of them was given.
    """
    for name, value in options.items():
        if value is not None and value is not False:
            option = f"--{name.replace('_', '-')}"
            shown = option if value is True else f"{option} {value}"
            raise AffectlineError(f"{shown} with this SOURCE: {why}", fix)


def _check_participant(given: str | None, recorded: str | None) -> None:
    if given is not None and recorded is not None and given != recorded:
        raise AffectlineError(
            f"--participant {given}: the session is of participant {recorded}",
            "leave it out, or name the session of that participant",
        )


def _is_session(path: Path) -> bool:
    from affectline.common.recording.reader import FILE, locate

    found = locate(path)
    return found.suffix == ".mcap" or any(
        (found / name).is_file() for name in (FILE, "emotions.csv", "session.json")
    )


def _session_folder(path: Path) -> Path:
    from affectline.common.recording.reader import locate
    from affectline.services.sessions.recording import session_folder

    return session_folder(locate(path))


def _from_session(
    path: Path, stretches: "list[ShownExpression]", stream: str | None
) -> "PersonFaces":
    from affectline.services.calibration.person_faces import read_session_faces

    return read_session_faces(path, stretches, stream=stream)


def _from_source(
    context: typer.Context,
    claims: ExitStack,
    undo: ExitStack,
    source: str,
    stretches: "list[ShownExpression]",
    settings: "PipelineSettings",
    *,
    quiet: bool,
) -> "tuple[PersonFaces, Path]":
    """Analyse a film or a camera into a session folder; return its faces and the folder.

    Args:
        context: Of the command.
        claims: Keeps the folder for this run.
        undo: Removes the folder if there will be no calibration: the command can be repeated as it
            is, because the folder was new or empty.
        source: The film or camera, as the user has named it.
        stretches: The stretches that the user has named.
        settings: Without a source.
        quiet: Show no progress.

    Raises:
        AffectlineError: It cannot be analysed, or has too few faces.
    """
    from affectline.common.atomic_file import remove_folder
    from affectline.common.settings.source_kind import check_readable
    from affectline.common.settings.sources import choose_source
    from affectline.services.calibration.person_faces import read_session_faces
    from affectline.services.supervisor.plan import complete

    chosen = choose_source(source, settings.sources)
    check_readable(chosen.source)
    sink = settings.sink.model_copy(update={"display": "none"})
    settings = settings.model_copy(update={"sources": (chosen,), "sink": sink, "biometrics": ()})
    if chosen.is_live:
        _refuse_ranges(stretches, "a camera is calibrated by its own prompts")
        settings = complete(settings.model_copy(update={"delivery": "live"}), claims)
    else:
        fixed = {"delivery": "lossless", "pace": "fast"}
        settings = complete(settings.model_copy(update=fixed), claims)
    folder = settings.sink.out or Path()
    undo.callback(remove_folder, folder)
    if chosen.is_live:
        _guide(context, settings, quiet=quiet)
    else:
        _analyse(settings, quiet=quiet)
    material: Material = "camera" if chosen.is_live else "film"
    return read_session_faces(folder, stretches, material, redact(source)), folder


def _analyse(settings: "PipelineSettings", *, quiet: bool) -> None:
    from affectline.common.logs import terminal
    from affectline.services.analysis.direct_run import DirectRun
    from affectline.services.sessions.progress import FrameBars, new_progress

    console = terminal()
    with new_progress(console, disable=quiet or not console.is_terminal) as shown:
        DirectRun(settings, FrameBars(shown).on_message).run()


def _guide(context: typer.Context, settings: "PipelineSettings", *, quiet: bool) -> None:
    """Run a pipeline on a camera for half a minute, and show the person what to do."""
    from affectline.common import file_access
    from affectline.common.runtime.sockets import taken_ports
    from affectline.common.wire.messages import Emotion, Packet, StreamStart
    from affectline.services.calibration.guide import (
        LEAD_S,
        Prompter,
        end_s,
        plan_markers,
        plan_prompts,
    )
    from affectline.services.dashboard.replay_control import find_free_hub
    from affectline.services.supervisor.supervisor import Supervisor

    prompts = plan_prompts()
    prompter = Prompter(prompts, lambda text: typer.echo(text, err=True))
    begun: list[int] = []

    def observe(packet: Packet) -> None:
        match packet.message:
            case StreamStart() as start:
                if not begun:  # the camera is there
                    typer.echo(
                        "Sit down and look at the camera. The first prompt comes in a few seconds; "
                        f"{end_s(prompts) - LEAD_S:g} s follow.",
                        err=True,
                    )
                begun.append(start.session_start)
            case Emotion() as emotion if begun:
                prompter.reach((emotion.captured_at - begun[0]) / 1e9)

    hub = find_free_hub(settings.hub) if taken_ports(settings.hub) else settings.hub
    settings = settings.model_copy(
        update={"hub": hub, "markers": plan_markers(prompts), "duration": end_s(prompts) + 1}
    )
    file_access.restrict(group=settings.sink.group_access)
    supervisor = Supervisor(settings, quiet=quiet, observe=observe, fork_server=context.obj)
    supervisor.run()
    if supervisor.interrupted:
        raise KeyboardInterrupt
    typer.echo("Thank you.", err=True)


def _print_result(
    calibration: "Calibration", figures: "HeldOutFigures", written: Path, *, as_json: bool
) -> None:
    import os

    from affectline.common.labels import LABELS
    from affectline.services.calibration.make import describe_figures

    if as_json:
        typer.echo(calibration.model_dump_json())
        return
    counts = ", ".join(f"{count} {label}" for label, count in calibration.faces.items())
    typer.echo(f"{calibration.person or 'faces'}: {counts}; model {calibration.model}")
    for line in describe_figures(figures):
        typer.echo(line)
    shift = ", ".join(
        f"{label} {one:+.2f}" for label, one in zip(LABELS, calibration.fitted, strict=True)
    )
    typer.echo(f"shift of the log-probabilities: {shift}")
    if calibration.is_on:
        typer.echo("It helps on faces left out of the fit. Use it with --calibration:")
    else:
        typer.echo("It does not help on faces left out of the fit: it is switched off.")
    typer.echo(f"  {os.path.relpath(written)}")
    if set(calibration.faces) == {"neutral"}:
        typer.echo("Only a neutral face was shown: other expressions were not tested.")
