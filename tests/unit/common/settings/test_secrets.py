"""Passwords of sources: from files and the environment, and in no error."""

import json
from pathlib import Path
from urllib.parse import unquote

import pytest

from affectline.common import address
from affectline.common.errors import AffectlineError
from affectline.common.settings import variables
from affectline.common.settings.pipeline import PipelineSettings, load
from affectline.common.settings.sources import SourceSettings, name_sources
from affectline.services.capture.spec import configure
from affectline.services.supervisor.plan import complete

SECRET = "p@s/s w:rd%41?#"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "_remembered", {})
    monkeypatch.setattr(variables, "_used", set())
    monkeypatch.setenv("CAMERA_PASSWORD", SECRET)
    monkeypatch.delenv("NOT_SET", raising=False)


def settings(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def opened(source: str) -> tuple[str | None, str | None, str | None]:
    parts = address.parse(source)
    assert parts is not None
    return parts.username, unquote(parts.password or ""), parts.hostname


def test_a_password_comes_from_a_file_whenever_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "word").write_text(f"{SECRET}\n")
    path = settings(
        tmp_path,
        "sources:\n"
        f"  - {{name: a, source: rtsp://HOST/x, user: me, password_file: {tmp_path / 'word'}}}\n"
        f"  - {{name: b, source: rtsp://me@HOST/x, password_file: {tmp_path / 'word'}}}\n",
    )
    loaded = load(path)
    for source in loaded.sources:
        assert opened(source.address) == ("me", SECRET, "host")
        assert source.is_live
        assert SECRET not in source.model_dump_json()
        assert "me" not in json.dumps(source.without_secrets().model_dump(mode="json")["source"])
    (tmp_path / "word").write_text("another")
    assert opened(loaded.sources[0].address) == ("me", "another", "host")
    described = json.dumps(loaded.describe())
    assert '"rtsp://HOST/***"' in described
    assert '"me"' not in described
    assert 'word"' not in described
    assert PipelineSettings.model_validate_json(loaded.without_secrets().model_dump_json())
    assert configure(loaded, "live", "b").source == loaded.sources[1]


@pytest.mark.parametrize(("content", "what"), [
    (None, "No such file"), ("", "is empty"), ("\n", "is empty"), ("a\nb\n", "more than one line"),
])  # fmt: skip
def test_a_password_file_that_cannot_be_used_is_named_before_anything_starts(
    tmp_path: Path, content: str | None, what: str
) -> None:
    file = tmp_path / "word"
    if content is not None:
        file.write_text(content)
    source = SourceSettings(name="a", source="rtsp://HOST/x", user="me", password_file=file)
    with pytest.raises(AffectlineError, match=what) as error:
        complete(PipelineSettings(sources=(source,)))
    assert f"password_file {file}" in str(error.value)


@pytest.mark.parametrize(("entry", "what"), [
    ("source: film.mp4, password_file: f", "for addresses"),
    ("source: 'rtsp://HOST/x', user: me", "a user needs a password_file"),
    ("source: 'rtsp://HOST/x', password_file: f", "has no user for the password"),
    ("source: 'rtsp://me:word@HOST/x', password_file: f", "already has a password"),
])  # fmt: skip
def test_a_login_that_does_not_fit_is_refused(tmp_path: Path, entry: str, what: str) -> None:
    path = settings(tmp_path, f"sources: [{{name: a, {entry}}}]\n")
    with pytest.raises(AffectlineError, match=what) as error:
        load(path)
    assert "HOST" not in str(error.value)
    assert "word@" not in str(error.value)


@pytest.mark.parametrize(("source", "expected"), [
    ("rtsp://me:${CAMERA_PASSWORD}@HOST/x", ("me", SECRET, "host")),
    ("rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@HOST/x", ("Me", SECRET, "host")),
    ("${CAMERA_ADDRESS}", ("you", "pw", "host")),
])  # fmt: skip
def test_variables_of_the_environment_are_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: tuple[str, str, str]
) -> None:
    monkeypatch.setenv("CAMERA_USER", "Me")
    monkeypatch.setenv("CAMERA_ADDRESS", "rtsp://you:pw@HOST/x")
    monkeypatch.setenv("HOME_OF", "kept")
    (from_file,) = load(settings(tmp_path, f"sources: [{{name: a, source: '{source}'}}]\n")).sources
    (from_option,) = name_sources([source])
    for one in (from_file, from_option):
        user, password, host = opened(one.address)
        assert (unquote(user or ""), password, host) == expected
    passed_on = variables.environment()
    assert passed_on["HOME_OF"] == "kept"
    assert ("CAMERA_PASSWORD" in passed_on) == ("CAMERA_PASSWORD" not in source)


def test_in_a_query_it_is_escaped_and_elsewhere_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "HOST:80")
    monkeypatch.setenv("CAMERA_PASSWORD", "a&b")
    expanded = variables.expand("http://${PLACE}/v.cgi?pwd=${CAMERA_PASSWORD}&u=1", "here")
    assert expanded == "http://HOST:80/v.cgi?pwd=a%26b&u=1"
    assert variables.expand("$${PLACE} $PLACE 5$", "here") == "${PLACE} $PLACE 5$"


@pytest.mark.parametrize("text", ["rtsp://me:${NOT_SET}@HOST/x", "${NOT_SET}"])
def test_a_variable_that_is_not_set_is_named(tmp_path: Path, text: str) -> None:
    path = settings(tmp_path, f"sources: [{{name: a, source: '{text}'}}]\n")
    for said in (lambda: load(path), lambda: name_sources([text])):
        with pytest.raises(AffectlineError, match="environment variable NOT_SET is not set"):
            said()


@pytest.mark.parametrize("text", [
    "sources: [{source: 'rtsp://admin:hunter2@HOST/x'}]",
    "sources: [{name: a, source: 'rtsp://admin:hunter2@HOST/x', pasword: hunter2}]",
    "sources: [{name: 'rtsp://admin:hunter2@HOST/x', source: x}]",
    "sources: [{name: a, source: x, password: 7777}]",
    "sources: rtsp://admin:hunter2@HOST/x",
    "sources: ['rtsp://admin:hunter2@HOST/x']",
    "sources: [{name: a, source: [hunter2]}]",
    "sources: [{name: a, source: 'rtsp://admin:hunter2@HOST/x', start: hunter2}]",
    "sources: [{name: a, source: 'rtsp://admin:hunter2@HOST/x}]",
    "- rtsp://admin:hunter2@HOST/x",
    "rtsp://admin:hunter2@HOST/x",
    "dashboard: {tokn: hunter2}",
    "dashboard: {port: 'rtsp://admin:hunter2@HOST/x'}",
    "sink: {out: [hunter2]}",
    "biometrics: [{driver: ble, subject: a, passwd: {a: hunter2}}]",
])  # fmt: skip
def test_no_error_shows_an_entry_of_the_settings(tmp_path: Path, text: str) -> None:
    path = settings(tmp_path, f"{text}\n")
    with pytest.raises(AffectlineError) as error:
        load(path)
    for secret in ("hunter2", "7777", "admin"):
        assert secret not in str(error.value)
        assert secret not in str(error.value.__cause__ or "") or "YAML" in str(error.value)
    assert str(path) in str(error.value)


def test_a_value_that_is_no_secret_is_told(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match=r"capture\.jpeg_quality: .* \(got 500\)"):
        load(settings(tmp_path, "capture: {jpeg_quality: 500}\n"))
