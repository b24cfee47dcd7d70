import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from affectline.common import extras
from affectline.common.model import artifact
from affectline.common.model.network_manifest import NETWORKS
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.services.cli.main import import_command
from affectline.training.cli import evaluate, fit
from affectline.training.cli import main as cli
from affectline.training.data import dataset
from tests.unit.training.faces import NOISE, manifest, model_trained_on, save


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["affectline-train", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_help_needs_neither_tensorflow_nor_pandas() -> None:
    code = (
        "import sys; from affectline.training.cli import main; "
        "print({'tensorflow', 'keras', 'pandas', 'ai_edge_litert'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "command",
    ["fit", "average", "evaluate", "export", "fit-votes-head", "fit-covered-face", "reproduce"],
)
def test_help_has_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(monkeypatch, command, "--help") == 0
    assert f"affectline-train {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fit", "--data", "none.csv", "--out", "run"], "cannot read --data none.csv"),
        (
            ["fit", "--data", "none.csv", "--backbone-weights", "none.h5"],
            "no file --backbone-weights none.h5",
        ),
        (
            ["fit", "--data", "none.csv", "--recipe", "paper", "--votes", "v.csv"],
            "--votes is not for --recipe paper",
        ),
        (["fit", "--data", "none.csv", "--start", "nowhere"], "no model at nowhere"),
        (["fit", "--data", "none.csv", "--polish"], "--polish needs a trained model"),
        (
            ["fit", "--data", "none.csv", "--preprocessing", "raw"],
            "--preprocessing is not for --recipe strong",
        ),
        (
            ["fit", "--data", "none.csv", "--recipe", "paper", "--degraded", "0.1"],
            "--degraded is not for --recipe paper",
        ),
        (
            ["fit", "--data", "none.csv", "--recipe", "paper", "--polish"],
            "--polish is not for --recipe paper",
        ),
        (
            ["fit", "--data", "none.csv", "--start", "a", "--backbone-weights", "none.h5"],
            "--backbone-weights is not used with --start",
        ),
        (["fit-covered-face", "--data", "none.csv", "--out", "a/new"], "cannot read --data none"),
        (["fit", "--data", "none.csv", "--resume"], "--resume needs the run folder"),
        (["evaluate", "--data", "none.csv", "--artifact", "nowhere"], "no model at nowhere"),
        (["export", "nowhere", "--data", "none.csv", "--out", "new"], "nowhere is not a finished"),
        (["average", "a", "b", "--data", "none.csv", "--out", "new"], "a is not a finished run"),
        (
            ["average", "a", "b", "./a", "--data", "none.csv", "--out", "new"],
            "the model a is named twice",
        ),
        (
            ["robustness", "--data", "none.csv", "--artifact", "models/mine"],
            "--artifact models/mine needs a folder for its page",
        ),
        *(
            (
                [*command, "--data", "none.csv"],
                f"{NETWORKS / 'iris'} is not an emotion model: its manifest.json has no labels",
            )
            for command in (
                ["evaluate", "--artifact", str(NETWORKS / "iris")],
                ["fit", "--start", str(NETWORKS / "iris")],
                ["robustness", "--artifact", str(NETWORKS / "iris"), "--out", "new"],
                ["average", str(NETWORKS / "iris"), "a", "--out", "new"],
            )
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"affectline-train: {complaint}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", ["strong", "paper"])
def test_a_training_that_cannot_begin_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    recipe: str,
) -> None:
    pixels = " ".join(["9"] * 2304)
    (tmp_path / "faces.csv").write_text(f"emotion,pixels,Usage\n3,{pixels},Training\n")
    monkeypatch.chdir(tmp_path)
    arguments = ["fit", "--data", "faces.csv", "--recipe", recipe, "--out", "run"]
    assert run(monkeypatch, *arguments) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("affectline-train: the data has no ")
    assert [path.name for path in tmp_path.iterdir()] == ["faces.csv"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("error", [TypeError("unexpected"), MemoryError(), KeyboardInterrupt()])
def test_a_training_that_fails_at_once_leaves_no_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(fit, "train_strong", fail)
    monkeypatch.setattr(fit, "require_extra", lambda *_: None)
    (tmp_path / "faces.csv").write_text(
        f"emotion,pixels,Usage\n3,{' '.join(['9'] * 2304)},Training\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["affectline-train", "fit", "--data", "faces.csv"])
    with pytest.raises((type(error), SystemExit)):
        cli.main()
    assert not list((tmp_path / "runs").iterdir())


def test_fit_warns_of_a_person_in_two_spellings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", NOISE[1:])
    data = manifest(tmp_path, "a.png,sad,p07", "b.png,sad,P07", header="file,label,person")
    monkeypatch.setattr(fit, "train_strong", lambda *_: None)
    monkeypatch.setattr(fit, "require_extra", lambda *_: None)
    assert run(monkeypatch, "fit", "--data", str(data), "--out", str(tmp_path / "run")) == 0
    assert "warning: the people 'P07', 'p07' are taken for 2 people" in capsys.readouterr().err
    begun = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert begun["backbone_weights"] == "imagenet"


def test_ctrl_c_is_one_line_and_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(path: Path, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "load", interrupted)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "fit", "--data", "faces.csv") == 130
    assert capsys.readouterr().err.strip().splitlines()[-1] == "affectline-train: interrupted"


def test_a_full_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(path: Path, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "features.npy")

    monkeypatch.setattr(dataset, "load", full)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "fit", "--data", "faces.csv") == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(
        "affectline-train: cannot read or write features.npy (No space left on device): make room"
    )


def test_the_table_shows_what_is_unknown_as_a_dash() -> None:
    assert evaluate.as_percent(None) == "-"
    assert evaluate.as_percent(0.4375) == "43.8%"


def test_the_former_name_of_fit_votes_head_still_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("fit-votes-head", "second-answer"):
        options = ["--data", "none.csv", "--votes", "votes.csv", "--out", "new"]
        assert run(monkeypatch, name, "nowhere", *options) == 1
        assert "no model at nowhere" in capsys.readouterr().err
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    assert "fit-votes-head" in shown
    assert "second-answer" not in shown


@pytest.mark.parametrize(
    ("option", "answer"),
    [
        (("--answer", "votes"), "votes"),
        (("--answer", "consensus"), "consensus"),
        (("--label-set", "ferplus"), "votes"),
        (("--label-set", "fer2013"), "labels"),
        ((), "labels"),
    ],
)
def test_an_answer_is_read_in_both_spellings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: tuple[str, ...], answer: str
) -> None:
    received: list[object] = []

    def measure(asked: evaluate.Asked, *_: object) -> dict[str, object]:
        received.append(asked.answer)
        return {}

    monkeypatch.setattr(evaluate, "measure", measure)
    assert run(monkeypatch, "evaluate", "--data", "none.csv", "--json", *option) == 0
    assert received == [answer]


@pytest.mark.parametrize(
    ("command", "extra"),
    [("reproduce", "reproduce"), ("fit", "training"), ("export", "training")],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, extra: str
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    arguments = ["run", "--out", "new"] if command == "export" else []
    assert run(monkeypatch, command, *arguments, "--data", "none.csv") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"affectline-train: affectline-train {command} needs tensorflow, ")
    assert f"pip install 'affectline[{extra}]'" in line


@pytest.mark.parametrize(
    ("command", "called"),
    [("evaluate", "evaluate --out"), ("robustness", "robustness"), ("reproduce", "reproduce")],
)
def test_what_draws_asks_for_matplotlib_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    command: str,
    called: str,
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "matplotlib" else name)
    arguments = ["--data", "none.csv", "--out", str(tmp_path / "out")]
    assert run(monkeypatch, command, *arguments) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"affectline-train: affectline-train {called} needs matplotlib, not")
    assert not (tmp_path / "out").exists()


def test_the_main_program_leaves_it_to_each_command_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    monkeypatch.setattr(os, "execv", lambda _, command: called.append(command))
    import_command("train").main(["evaluate", "--help"], standalone_mode=False)
    assert called == [[sys.executable, "-m", "affectline.training", "evaluate", "--help"]]


HELP = [[], *([name] for name in ("fit", "evaluate", "average", "export", "recalibrate")),
        ["robustness"], ["reproduce"], ["fit-votes-head"], ["fit-covered-face"],
        ["data", "check"]]  # fmt: skip


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_names_values_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run(monkeypatch, *command, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(" ".join(["Usage: affectline-train", *command]))
    assert not re.findall(r"<(?:path|str|int|float|list)|\[str\]|\[Path\]", shown), shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("evaluate", "--data", "x", "--split", "foo"),
            "Invalid value for '--split': 'foo' is not one of 'Training', 'PublicTest', "
            "'PrivateTest', 'Test' (got 'foo'). Try affectline-train --help",
        ),
        (("fit",), "Missing option '--data'. Try affectline-train --help"),
        (
            ("export", "run", "--data", "x"),  # it would replace a model that was not named
            "Missing option '--out'. Try affectline-train --help",
        ),
        (("foo",), "No such command 'foo'. Try affectline-train --help"),
    ],
)
def test_wrong_usage_is_one_line_in_words(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err.strip() == f"affectline-train: {said}"


ABOUT_DATA = {"rows": {"Training": 1, "PublicTest": 12}}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_dozen_public_faces_that_are_all_right_do_not_make_a_model_certain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for package in ("tensorflow", "scipy"):
        pytest.importorskip(package, reason="export needs the training extra")
    for number in range(13):
        save(tmp_path / f"{number}.png", NOISE[number:, number:])
    # The model takes noise for a happy face, so all of these are right
    rows = [f"{number}.png,happy,{'PublicTest' if number else 'Training'}" for number in range(13)]
    data, out = manifest(tmp_path, *rows, header="file,label,Usage"), tmp_path / "made"
    options = ("--data", str(data), "--out", str(out))
    assert run(monkeypatch, "recalibrate", str(DEFAULT_MODEL), *options) == 1
    assert f"model {DEFAULT_MODEL} was trained on other data" in capsys.readouterr().err
    assert not out.exists()
    model = model_trained_on(tmp_path / "mine", **ABOUT_DATA, sha256=dataset.load(data).sha256)
    assert run(monkeypatch, "recalibrate", str(model), *options) == 0
    said = capsys.readouterr()
    assert "PublicTest: accuracy 100.00%" in said.out
    assert "affectline-train: warning: only 12 PublicTest rows: confidence" in said.err
    made, before = artifact.load(out).manifest, artifact.load(model).manifest
    assert 0.4 < made.temperature < 1
    assert made.votes_temperature == before.votes_temperature  # no votes to fit it on
