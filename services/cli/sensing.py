"""Commands for sensors, and for what listens like one: ``biometrics``, ``lsl-outlet``."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import BiometricsSettings, DriverName
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.cli.options import ConfigFile, DeliveryMode, HubAddress, read_settings

ONE_OF: Final = {"columns": "column", "parameters": "parameter"}
"""Settings that the command line asks for one by one."""


def biometrics(
    driver: Annotated[DriverName | None, typer.Option(help="Which kind of sensor.")] = None,
    subject: Annotated[str | None, typer.Option(help="Whose signals.  [default: person]")] = None,
    name: Annotated[
        str | None, typer.Option(help="ble: name of the strap. lsl: name of the stream.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="ble: address of the strap.")] = None,
    stream_type: Annotated[str | None, typer.Option(help="lsl: type, such as ECG.")] = None,
    board: Annotated[
        str | None, typer.Option(help="brainflow: name or number.  [default: synthetic_board]")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="brainflow: e.g. serial_port=/dev/ttyUSB0. May be given several times."),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="e4: the unpacked export.")] = None,
    file: Annotated[Path | None, typer.Option(help="csv: the table.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="COLUMN=SIGNAL:UNIT, e.g. hr=heart_rate:/min. May be given several times. csv: "
            "columns; lsl: channels; brainflow: row numbers."
        ),
    ] = None,
    time_column: Annotated[str | None, typer.Option(help="csv.  [default: time]")] = None,
    time_unit: Annotated[
        str | None, typer.Option(help="csv: s, ms, us, ns or iso.  [default: s]")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="csv.  [default: ,]")] = None,
    rate: Annotated[
        float | None, typer.Option(help="csv: rows a second, where there is no column of times.")
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="e4, csv, synthetic: 1 as recorded, 4, or max.  [default: 1]")
    ] = None,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="e4, csv: say the recorded times.")
    ] = False,
    loop: Annotated[bool, typer.Option("--loop", help="e4, csv: again at the end.")] = False,
    seed: Annotated[int | None, typer.Option(help="synthetic.  [default: 1]")] = None,
    stress: Annotated[
        str | None, typer.Option(help="synthetic: FROM-TO in seconds, e.g. 20-40.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="synthetic: seconds until it ends.")
    ] = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Publish what one sensor measures: a strap, a board, a stream, a recording.

    Example: affectline biometrics --driver synthetic --stress 20-40
    """
    from affectline.services.biometrics.spec import SPEC, BiometricsProcess

    settings = read_settings(config_file, hub)
    given: dict[str, Any] = {
        "driver": driver, "subject": subject, "name": name, "address": address,
        "stream_type": stream_type, "board": board,
        "parameters": parse_parameters(parameter) if parameter else None,
        "folder": folder, "file": file,
        "columns": parse_columns(column) if column else None,
        "time_column": time_column, "time_unit": time_unit, "delimiter": delimiter, "rate": rate,
        "speed": speed, "keep_times": keep_times or None, "loop": loop or None, "seed": seed,
        "stress": parse_stress(stress) if stress else None, "duration": duration,
    }  # fmt: skip
    chosen = settle({key: value for key, value in given.items() if value is not None}, settings)
    mode = delivery or settings.delivery or "live"
    raise typer.Exit(SPEC.run(BiometricsProcess(settings=chosen), settings.hub, mode))


def lsl_outlet(
    stream: Annotated[
        list[str] | None, typer.Option(help="Offer this video stream from the beginning.")
    ] = None,
    subject: Annotated[
        list[str] | None, typer.Option(help="Offer this person's state from the beginning.")
    ] = None,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryMode = None,
) -> None:
    """Offer emotions, states and markers as streams of the Lab Streaming Layer.

    Example: affectline lsl-outlet --stream driver --subject person
    """
    from affectline.services.lsl.spec import SPEC, LslProcess

    settings = read_settings(config_file, hub)
    mode = delivery or settings.delivery or "live"
    streams = stream or [source.name for source in settings.sources]
    outlet = LslProcess(streams=tuple(streams), subjects=tuple(subject or ()))
    raise typer.Exit(SPEC.run(outlet, settings.hub, mode))


def settle(given: dict[str, Any], settings: PipelineSettings) -> BiometricsSettings:
    """The sensor that the options describe, or the one of the config that they choose.

    Raises:
        AffectlineError: They do not fit together, or do not say which.
    """
    entries: tuple[BiometricsSettings, ...] = settings.biometrics
    wanted = {key: given[key] for key in ("driver", "subject") if key in given}
    fitting = [e for e in entries if all(getattr(e, k) == v for k, v in wanted.items())]
    if len(fitting) > 1:
        names = ", ".join(entry.service for entry in fitting)
        raise AffectlineError(
            f"--config describes several sensors: {names}", "choose with --driver and --subject"
        )
    if not fitting and "driver" not in given:
        raise AffectlineError(
            "--driver is missing", "name one of ble, lsl, brainflow, e4, csv, synthetic"
        )
    start = fitting[0].model_dump(exclude_unset=True) if fitting else {}
    try:
        return BiometricsSettings.model_validate(start | given)
    except ValidationError as error:
        first = error.errors()[0]
        said = str(first["loc"][0]) if first["loc"] else "driver"
        where = f"--{ONE_OF.get(said, said).replace('_', '-')}"
        value = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
        text = first["msg"].removeprefix("Value error, ")
        raise AffectlineError(
            f"{where}: {text}{value}", "see affectline biometrics --help"
        ) from error


def parse_columns(texts: list[str]) -> dict[str, dict[str, str]]:
    """Read ``COLUMN=SIGNAL:UNIT``; the unit may be left out where the signal has one.

    Raises:
        AffectlineError: One of them is none.
    """
    from affectline.common.settings.biometrics import SIGNALS

    columns = {}
    for text in texts:
        name, equals, measured = text.rpartition("=")
        signal, _, unit = measured.partition(":")
        unit = unit or (SIGNALS[signal].unit if signal in SIGNALS else "")
        if not (equals and name and signal and unit):
            raise AffectlineError(
                f"--column {text}: not COLUMN=SIGNAL:UNIT", "as in --column hr=heart_rate:/min"
            )
        columns[name] = {"signal": signal, "unit": unit}
    return columns


def parse_parameters(texts: list[str]) -> dict[str, str]:
    """Read ``NAME=VALUE``.

    Raises:
        AffectlineError: One of them is none.
    """
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, pairs, strict=True):
        if not (name and equals):
            raise AffectlineError(
                f"--parameter {text}: not NAME=VALUE", "as in --parameter serial_port=/dev/ttyUSB0"
            )
    return {name: value for name, _, value in pairs}


def parse_stress(text: str) -> tuple[float, float]:
    """Read ``FROM-TO`` in seconds.

    Raises:
        AffectlineError: It is something else.
    """
    begin, _, end = text.partition("-")
    try:
        return float(begin), float(end)
    except ValueError as error:
        raise AffectlineError(
            f"--stress {text}: not FROM-TO in seconds", "as in --stress 20-40"
        ) from error
