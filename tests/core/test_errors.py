"""The tree of errors: what the docstring draws is what there is."""

from __future__ import annotations

import re

import pytest

from mediasense import errors
from mediasense.errors import MediasenseError, ProviderError, error_for_status

_LINE = re.compile(
    r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<code>\d+)(?: +(?P<note>.*))?$"
)


def drawn() -> dict[str, tuple[str, int, str]]:
    """Name to (parent, exit code, note), as the docstring draws it."""
    tree = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        if match := _LINE.match(line):
            depth = len(match["branch"]) // 4
            above[depth:] = [match["name"]]
            parent = above[depth - 1] if depth else "Exception"
            tree[match["name"]] = (parent, int(match["code"]), match["note"] or "")
    return tree


def classes() -> dict[str, type[MediasenseError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, MediasenseError)
    }


def drawn_class(status: int) -> str:
    """The class that the docstring names for an HTTP status."""
    notes = {name: note for name, (_, _, note) in drawn().items()}
    for name, note in notes.items():
        if re.search(rf"\b{status}\b", note):
            return name
    family = f"{status // 100}xx"
    return next(name for name, note in notes.items() if family in note)


def test_the_docstring_draws_every_class_under_its_parent_with_its_exit_code():
    real = {name: (kind.__mro__[1].__name__, kind.exit_code) for name, kind in classes().items()}
    assert {name: (parent, code) for name, (parent, code, _) in drawn().items()} == real


def test_every_class_is_public():
    helpers = {"error_for_status", "error_text", "one_line", "refused_media"}
    assert set(classes()) | helpers == set(errors.__all__)


def test_no_two_classes_share_an_exit_code():
    codes = [kind.exit_code for kind in classes().values()]
    assert len(set(codes)) == len(codes) > 25


@pytest.mark.parametrize(
    ("kind", "parent", "code"),
    [
        (errors.StoreError, MediasenseError, 11),
        (errors.BudgetExceeded, MediasenseError, 30),
        (errors.BatchFailed, MediasenseError, 31),
        (errors.OutOfService, errors.ProviderUnavailable, 54),
    ],
)
def test_what_scripts_ask_for_about_many_files_keeps_its_exit_code(kind, parent, code):
    assert (kind.__bases__, kind.exit_code) == ((parent,), code)


def test_nobody_else_was_asked_unless_somebody_was():
    first, other = MediasenseError("a"), MediasenseError("b")
    first.others = (other,)
    assert (other.others, MediasenseError("c").others) == ((), ())


def test_no_exit_code_means_something_else_to_a_shell():
    """0 is success; from 126 on a shell speaks of commands and signals."""
    assert all(0 < kind.exit_code < 126 for kind in classes().values())


def test_every_status_gives_the_class_that_is_drawn():
    wrong = {
        status: type(error).__name__
        for status in range(300, 600)
        if status != 504
        and type(error := error_for_status(status, "", provider="acme")).__name__
        != drawn_class(status)
    }
    assert wrong == {}


def test_504_gives_the_class_that_is_drawn():
    error = error_for_status(504, "", provider="acme")
    assert type(error).__name__ == drawn_class(504)


@pytest.mark.parametrize("retry_after", [None, 0.0, 7.5])
@pytest.mark.parametrize("credential", [None, "ACME_KEY"])
@pytest.mark.parametrize("model", [None, "acme-eye"])
@pytest.mark.parametrize("detail", ["", "the service says no"])
def test_every_message_ends_with_the_next_thing_to_type(detail, model, credential, retry_after):
    for status in range(300, 600):
        error = error_for_status(
            status,
            detail,
            provider="acme",
            model=model,
            credential=credential,
            retry_after=retry_after,
        )
        assert error.hint
        assert str(error) == f"{error.message}; {error.hint}"


def test_a_message_says_who_answered_what():
    error = error_for_status(422, "no such field", provider="acme")
    assert error.message == "acme answered 422: no such field"


def test_the_status_and_the_wait_are_kept():
    error = error_for_status(429, "", provider="acme", retry_after=7)
    assert (error.status, error.retry_after) == (429, 7)
    assert "7 s" in error.hint


def test_a_refused_key_is_named_by_its_variable():
    assert "ACME_KEY" in error_for_status(401, "", provider="acme", credential="ACME_KEY").hint
    assert "ACME_KEY" in error_for_status(403, "", provider="acme", credential="ACME_KEY").hint


def test_an_unknown_model_is_named_with_the_command_that_lists_them():
    hint = error_for_status(404, "", provider="acme", model="acme-ear").hint
    assert "'acme-ear'" in hint
    assert "mediasense models --provider acme" in hint


def test_an_error_without_a_hint_is_its_message():
    assert str(MediasenseError("it broke")) == "it broke"


def test_a_provider_error_may_know_no_status():
    error = ProviderError("it broke", hint="try again")
    assert (error.status, error.retry_after) == (None, None)
