"""The command ``biometrics``; its options are the settings of all sensor drivers."""

from typing import Any

import typer
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.pipeline import PipelineSettings
from affectline.services.cli.options import ConfigFile, DeliveryOfProcess, HubAddress, read_settings
from affectline.services.cli.processes import choose_delivery
from affectline.services.cli.setting_options import SettingsCommand, explain, given_settings


class BiometricsCommand(SettingsCommand):
    """Adds the options of all drivers."""

    family = BiometricsSettings


def biometrics(
    context: typer.Context,
    config_file: ConfigFile = None,
    hub: HubAddress = None,
    delivery: DeliveryOfProcess = None,
) -> None:
    """Publish the signals of one sensor: a strap, a board, a stream or a recording.

    Example: affectline biometrics --driver synthetic --stress 20-40
    """
    from affectline.services.biometrics.spec import SPEC, BiometricsProcess

    settings = read_settings(config_file, hub)
    sensor = choose_sensor(given_settings(context), settings)
    mode = choose_delivery(delivery, settings, SPEC.role)
    process = BiometricsProcess(
        settings=sensor.with_time_zone(settings.time_zone),
        pace=settings.pace or "realtime",
        rate=settings.rate,
    )
    raise typer.Exit(SPEC.run(process, settings.hub, mode))


def choose_sensor(given: dict[str, Any], settings: PipelineSettings) -> BiometricsSettings:
    """The sensor that the options describe, or the one of the config that they select.

    Raises:
        AffectlineError: They do not fit together, or select none.
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
        known = ", ".join(BiometricsSettings.registry.names())
        raise AffectlineError("--driver is missing", f"name one of {known}")
    start = fitting[0].model_dump(exclude_unset=True) if fitting else {}
    try:
        chosen = BiometricsSettings.model_validate(start | given)
    except ValidationError as error:
        raise explain(error, BiometricsSettings, "biometrics") from error
    return chosen
