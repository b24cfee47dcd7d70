import re

import pytest
import typer
from typer.testing import CliRunner

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.cli.biometrics import BiometricsCommand
from affectline.services.cli.setting_options import given_settings, group_fields, option_name

app = typer.Typer()


@app.command(cls=BiometricsCommand)
def show(context: typer.Context, hub: str = "here") -> None:
    typer.echo(f"{hub}: {sorted(given_settings(context).items())}")


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "240"})
    return done.output


def test_every_setting_of_every_driver_has_an_option_with_a_help_text() -> None:
    text = call("--help-all")
    fields = group_fields(BiometricsSettings)
    assert {"subject", "address", "board", "columns", "folder", "seed"} <= fields.keys()
    for name, owners in fields.items():
        option = option_name(name, next(iter(owners.values())))
        line = next(line for line in text.splitlines() if f"{option} " in line)
        if name not in ("driver", "subject"):
            assert re.search(f"({'|'.join(owners)})(, [a-z0-9]+)*: [A-Z1]", line), line
    assert "ble|brainflow|csv|e4|embraceplus|lsl|polar|shimmer|synthetic" in text


def test_only_what_was_given_is_a_setting() -> None:
    assert call() == "here: []\n"
    assert (
        call("--hub", "there", "--loop", "--seed", "3") == "there: [('loop', True), ('seed', 3)]\n"
    )


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (("--column", "a=ppg", "--column", "b=ecg:uV"), "[('columns', ['a=ppg', 'b=ecg:uV'])]"),
        (("--parameter", "serial_port=x"), "[('parameters', ['serial_port=x'])]"),
        (("--speed", "max"), "[('speed', 'max')]"),
        (("--rate", "4"), "[('rate', 4.0)]"),
        (("--time-column", "t"), "[('time_column', 't')]"),
        (("--stress", "20-40"), "[('stress', '20-40')]"),
    ],
)
def test_options_are_spelt_as_the_settings(arguments: tuple[str, ...], given: str) -> None:
    assert call(*arguments) == f"here: {given}\n"
