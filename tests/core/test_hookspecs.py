"""The contract: every hook says when it is called, with an example that works."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap

import pytest
import typer

import mediasense
from mediasense import Answer, ImageRequest, ModelsRequest, Provider, hookspecs

HOOKS = {
    name: value
    for name, value in vars(hookspecs).items()
    if hasattr(value, f"{hookspecs.PROJECT}_spec")
}
each_hook = pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS.keys())


def example(hook) -> str:
    """The code behind ``Example::``, without its indentation."""
    _, _, rest = inspect.getdoc(hook).partition("Example::\n")
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip()


def run_example(hook, **names):
    """What an example defines, in a module that imports the public names only."""
    public = {name: getattr(mediasense, name) for name in mediasense.__all__}
    namespace = {**public, "mediasense": mediasense, "dataclasses": dataclasses, **names}
    exec(example(hook), namespace)
    return namespace[hook.__name__]


def test_the_hooks_are_those_of_the_design():
    assert set(HOOKS) == {
        "analyze_audio",
        "analyze_image",
        "analyze_video",
        "capabilities",
        "generate",
        "list_models",
        "policy_version",
        "prepare_request",
        "register_commands",
    }


@pytest.mark.parametrize(
    "name", ["analyze_audio", "analyze_image", "analyze_video", "generate", "list_models"]
)
def test_a_call_to_a_provider_has_one_answer(name):
    assert HOOKS[name].mediasense_spec["firstresult"]


@each_hook
def test_a_hook_has_an_example_that_parses(hook):
    (definition,) = ast.parse(example(hook)).body
    assert isinstance(definition, ast.FunctionDef)
    assert definition.name == hook.__name__
    assert ast.unparse(definition.decorator_list[0]) == "hookimpl"


@each_hook
def test_an_example_takes_arguments_that_the_hook_has(hook):
    taken = inspect.signature(run_example(hook)).parameters
    assert set(taken) <= set(inspect.signature(hook).parameters)


@each_hook
def test_the_arguments_are_documented(hook):
    arguments = list(inspect.signature(hook).parameters)
    text = inspect.getdoc(hook)
    assert ("\nArgs:\n" in text) == bool(arguments)
    documented = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
    assert [
        line.partition(":")[0].strip() for line in documented.splitlines() if is_name(line)
    ] == (arguments)


def is_name(line: str) -> bool:
    return line.startswith("    ") and not line.startswith("     ")


@each_hook
def test_the_result_is_documented_where_there_is_one(hook):
    returns_nothing = inspect.signature(hook).return_annotation == "None"
    assert ("\nReturns:\n" in inspect.getdoc(hook)) != returns_nothing


@each_hook
def test_a_hook_that_asks_a_provider_says_what_it_raises(hook):
    asks = "request" in inspect.signature(hook).parameters and hook.mediasense_spec["firstresult"]
    assert ("\nRaises:\n" in inspect.getdoc(hook)) == asks


@each_hook
def test_every_argument_and_result_has_a_type(hook):
    signature = inspect.signature(hook)
    annotations = [p.annotation for p in signature.parameters.values()]
    assert inspect.Signature.empty not in [*annotations, signature.return_annotation]


def test_the_example_of_capabilities_offers_a_provider():
    (provider,) = run_example(hookspecs.capabilities)()
    assert isinstance(provider, Provider)


def test_the_example_of_analyze_image_answers(httpserver, acme, image):
    httpserver.expect_request("/look", method="POST").respond_with_json(
        {"answer": "a cat", "model": "acme-eye"}
    )
    request = ImageRequest(provider=acme(httpserver.url_for("")), images=(image,), prompt="what?")
    assert run_example(hookspecs.analyze_image)(request) == Answer(text="a cat", model="acme-eye")
    assert httpserver.log[0][0].json["question"] == "what?"


def test_the_example_of_list_models_lists_them(httpserver, acme):
    httpserver.expect_request("/models").respond_with_json({"models": [{"id": "eye"}]})
    request = ModelsRequest(provider=acme(httpserver.url_for("")))
    assert [m.name for m in run_example(hookspecs.list_models)(request)] == ["eye"]


def test_the_example_of_prepare_request_adds_a_header(acme):
    request = ModelsRequest(provider=acme())
    assert run_example(hookspecs.prepare_request)(request).headers == (("X-Team", "blue"),)


def test_the_example_of_register_commands_adds_one():
    app = typer.Typer()
    run_example(hookspecs.register_commands)(app)
    assert [command.callback.__name__ for command in app.registered_commands] == ["acme_quota"]
