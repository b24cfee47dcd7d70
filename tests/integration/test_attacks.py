"""Whoever reaches the hub's ports, or has a key for little, changes nothing of a run."""

from pathlib import Path

import pytest

from tests.attacks.attacks import GROUPS
from tests.attacks.keyed import KEYED_GROUPS
from tests.attacks.results import find_broken
from tests.attacks.trial import Expected, attack


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return Expected(tmp_path_factory.mktemp("expected"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", GROUPS)
def test_a_run_under_attack_is_that_of_one_that_nobody_attacks(
    group: str, expected: Expected, tmp_path: Path
) -> None:
    found = attack(group, GROUPS[group], tmp_path, expected)
    assert find_broken(found) == [], found.model_dump_json(indent=1)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", KEYED_GROUPS)
def test_a_run_with_keys_under_attack_is_that_of_one_that_nobody_attacks(
    group: str, expected: Expected, tmp_path: Path
) -> None:
    key, attacks = KEYED_GROUPS[group]
    found = attack(group, attacks, tmp_path, expected, key)
    assert find_broken(found) == [], found.model_dump_json(indent=1)
