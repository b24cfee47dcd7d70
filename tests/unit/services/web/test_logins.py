"""Logins end, and wrong tokens cost time; neither takes more memory than a little."""

import pytest

from affectline.common.errors import AffectlineError
from affectline.services.web import logins as module
from affectline.services.web.logins import LOCAL, LoginStore, Visitor, WrongTokens


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_token_opens_its_own_role() -> None:
    store = LoginStore({"operator": "o", "viewer": "v"}, 10, Clock())
    assert [store.role_of(token) for token in ("o", "v", "", "ov", "\ud800")] == [
        "operator", "viewer", None, None, None,
    ]  # fmt: skip


def test_a_secret_finds_its_login_until_that_ends() -> None:
    clock = Clock()
    store = LoginStore({"operator": "o"}, 10, clock)
    secret, login = store.begin("operator", "here")
    other, _ = store.begin("viewer", "there")
    assert len(secret) >= 43
    assert store.find(secret) is login
    assert store.find(secret[:-1]) is None
    store.end(login)
    assert store.find(secret) is None
    assert login.ended.is_set()
    assert store.find(other) is not None
    clock.now += 10
    assert store.find(other) is None


def test_of_too_many_logins_the_oldest_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOGINS_MAX", 3)
    store = LoginStore({"operator": "o"}, 10, Clock())
    made = [store.begin("operator", "here") for _ in range(4)]
    assert [store.find(secret) is login for secret, login in made] == [False, True, True, True]
    assert made[0][1].ended.is_set()


def test_a_page_whose_login_has_ended_does_nothing_more() -> None:
    clock = Clock()
    store = LoginStore({"operator": "o"}, 10, clock)
    _, login = store.begin("operator", "here")
    visitor = Visitor("operator", "operator 1", "here", lambda: store.is_on(login))
    visitor.require_operator("record")
    clock.now += 10
    assert not visitor.may_operate
    with pytest.raises(AffectlineError, match="this login has ended"):
        visitor.require_operator("record")
    with pytest.raises(AffectlineError, match="viewers may not record"):
        Visitor("viewer", "viewer 1", "here").require_operator("record")
    assert LOCAL.may_operate


def test_addresses_that_a_machine_can_change_wait_together() -> None:
    wrong = WrongTokens(Clock())
    wrong.add("2001:db8:1:2::1")
    assert wrong.delay_s("2001:db8:1:2:ffff::9") == 1
    assert wrong.delay_s("2001:db8:1:3::1") == 0
    wrong.add("::ffff:192.0.2.1")
    assert wrong.delay_s("192.0.2.1") == 1
    assert wrong.delay_s("192.0.2.2") == 0
    wrong.add("")
    assert wrong.delay_s("") == 1


def test_wrong_tokens_are_forgiven_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    wrong = WrongTokens(clock)
    assert [wrong.add("a") for _ in range(3)] == [1, 2, 4]
    clock.now += module.FORGIVEN_S + 1
    assert wrong.add("a") == 1
    wrong.forget("a")
    assert wrong.delay_s("a") == 0
    monkeypatch.setattr(module, "ADDRESSES_MAX", 100)
    for number in range(1000):
        wrong.add(f"192.0.{number // 256}.{number % 256}")
    assert len(wrong._failures) == 100
    assert all(wrong.add("b") <= module.LONGEST_DELAY_S for _ in range(2000))
