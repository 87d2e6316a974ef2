"""Which rules of the house hold, and that they are part of what kept answers are known by."""

from __future__ import annotations

import sys

import pytest

from mediasense import Forbidden, Provider, hookimpl
from mediasense.batches.work import failure_of
from mediasense.errors import AuthenticationError, PluginError, ProviderUnavailable
from mediasense.fallback import curable
from mediasense.hooks import Hooks


def leave(request):
    return None


@pytest.fixture
def rules_of(load, offers, acme):
    """The rules of the house, with one plugin of policy beside one that answers."""

    def rules(**functions) -> tuple[str, ...]:
        return Hooks(load(acme=offers(acme()), house=functions)).house_rules

    return rules


def test_a_plugin_that_makes_no_rule_is_none(rules_of):
    def register_commands():
        return None

    assert rules_of(register_commands=register_commands) == ()


def test_a_plugin_that_changes_requests_is_one(rules_of):
    assert rules_of(prepare_request=leave)[0].startswith("house (fake-house 1.0)")


def test_a_wrapper_is_one(rules_of):
    @hookimpl(wrapper=True)
    def generate(request):
        return (yield)

    assert len(rules_of(generate=generate)) == 1


def test_what_it_says_of_itself_is_asked_for_each_time(load, offers, acme):
    allowed = ["acme"]
    house = {"prepare_request": leave, "policy_version": lambda: repr(allowed)}
    hooks = Hooks(load(acme=offers(acme()), house=house))
    before = hooks.house_rules
    assert hooks.house_rules == before
    allowed.append("other")
    assert hooks.house_rules != before


def test_none_is_that_the_code_says_all(rules_of):
    first = rules_of(prepare_request=leave, policy_version=lambda: None)
    assert first == rules_of(prepare_request=leave, policy_version=lambda: "")


def test_another_code_is_another_rule_whatever_its_version(load, offers, acme, tmp_path):
    found = set()
    for code in ("one", "two", "one"):
        plugins = load(acme=offers(acme()), house={"prepare_request": leave})
        (tmp_path / "rule.py").write_text(code)
        sys.modules["fake_house"].__file__ = str(tmp_path / "rule.py")
        found.add(Hooks(plugins).house_rules)
    assert len(found) == 2


def test_the_code_of_a_package_is_all_that_is_in_it(load, offers, acme, tmp_path):
    found = set()
    for code in ("one", "two", "one"):
        plugins = load(acme=offers(acme()), house={"prepare_request": leave})
        (tmp_path / "rules.py").write_text(code)
        sys.modules["fake_house"].__path__ = [str(tmp_path)]
        found.add(Hooks(plugins).house_rules)
    assert len(found) == 2


@pytest.mark.parametrize("said", [1, b"1", ["a"]])
def test_what_is_no_text_breaks_the_contract(rules_of, said):
    with pytest.raises(PluginError, match="house: policy_version returned something"):
        rules_of(prepare_request=leave, policy_version=lambda: said)


def test_a_failure_in_it_is_the_plugin_s(rules_of):
    def policy_version():
        raise KeyError("rule")

    with pytest.raises(PluginError, match="house: policy_version failed: KeyError"):
        rules_of(prepare_request=leave, policy_version=policy_version)


def test_a_rule_that_cannot_be_read_says_so_itself(rules_of):
    def policy_version():
        raise Forbidden("no rule", hint="ask the house")

    with pytest.raises(Forbidden, match="no rule; ask the house"):
        rules_of(prepare_request=leave, policy_version=policy_version)


# --- what is forbidden ---------------------------------------------------------------------------


def test_what_is_forbidden_somebody_else_may_do():
    assert curable(Forbidden("no"))
    assert Forbidden.exit_code == 12


def test_in_a_batch_it_is_the_item_s_own_and_does_not_pass():
    failure = failure_of(Forbidden("no", hint="ask the house"))
    assert (failure.kind, failure.exit_code) == ("Forbidden", 12)
    assert (failure.stopping, failure.passing) == (False, False)


def test_it_does_not_stop_a_batch_when_its_stand_in_cannot_be_asked():
    error = Forbidden("no")
    error.others = (AuthenticationError("no key"),)
    assert not failure_of(error).stopping


def test_it_passes_where_the_stand_in_may_be_up_again():
    error = Forbidden("no")
    error.others = (ProviderUnavailable("down"),)
    assert failure_of(error).passing


def test_a_lane_does_not_take_it_for_a_failure_of_the_service():
    from mediasense.pacing.pacer import _event

    assert _event(Forbidden("no"), 0, 0.1).kind == "released"


def test_it_reaches_whoever_asked_as_it_is(load, offers, acme, image):
    from mediasense import ImageRequest

    def prepare_request(request):
        raise Forbidden("no pictures", hint="send none")

    provider: Provider = acme()
    hooks = Hooks(load(acme=offers(provider), house={"prepare_request": prepare_request}))
    with pytest.raises(Forbidden, match="no pictures; send none"):
        hooks.call(ImageRequest(provider=provider, images=(image,)))
