"""Who may import whom inside the core; read from the source, so lazy imports count too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mediasense

ROOT = Path(mediasense.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if "templates" not in path.parts  # they become packages of others
}

# Each layer may import those below it, and none of its own.
LAYERS = [
    {"hookspecs", "known", "masking", "names", "sending", "stopping", "turns"},
    {"together"},
    {"discovery", "errors", "private", "providers", "steps", "toml_lines"},
    {"document", "toml_edits", "urls"},
    {"endpoints"},
    {"budget", "config", "pacing", "schemas", "types"},
    {"failures", "keys", "loading", "offers", "settings", "streaming", "tasks", "tracing"},
    {
        "body",
        "connection",
        "envelope",
        "estimates",
        "fallback",
        "media",
        "plugins",
        "prices",
        "prompts",
        "sums",
    },
    {"hooks", "http", "ledger", "output", "planning", "specimens", "statuses"},
    {
        "calls",
        "choosing",
        "costs",
        "desk",
        "forms",
        "memory",
        "parts",
        "refusal",
        "requests",
        "store",
    },
    {"filling"},
    {"given"},
    {"listening", "remembering", "settings_file", "trying"},
    {"execution"},
    {"run"},
    {"analysis"},
    {"answering"},
    {"dispatch"},
    {"checks", "runtime"},
    {"batches", "checkup"},
    {"reports"},
    {"api", "ray", "scaffold", "testing"},
    {"cli"},
    {"__main__", "__init__"},
]
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def imported(path: Path) -> set[str]:
    """The modules of the core that a file imports anywhere; not those for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in _run_time(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports say less"
            if node.module == "mediasense":
                found |= {alias.name for alias in node.names}
            else:
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    core = {name.removeprefix("mediasense.") for name in found if _is_core(name)}
    return core | {name for name in found if name in RANKS}


def _is_core(name: str) -> bool:
    return name.startswith("mediasense.")


def _run_time(tree: ast.AST) -> list[ast.AST]:
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        found += [node, *_run_time(node)]
    return found


def top(module: str) -> str:
    return module.partition(".")[0]


def layer(module: str) -> int:
    return RANKS[top(module)]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_a_module_imports_only_what_is_below_it(module):
    others = {name for name in imported(MODULES[module]) if top(name) != top(module)}
    assert {name for name in others if layer(name) >= layer(module)} == set()


def test_every_module_has_a_layer():
    assert {name.partition(".")[0] for name in MODULES} <= set(RANKS)
    assert len(MODULES) > 20


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("output", {"dispatch", "plugins", "cli", "runtime", "api", "http"}),
        ("media", {"plugins", "http", "connection", "output", "config"}),
        ("planning", {"http", "connection", "config", "plugins", "prices", "together", "hooks"}),
        ("planning", {"ledger", "store", "pacing"}),
        ("parts", {"hooks", "plugins", "connection", "http", "requests"}),
        ("execution", {"hooks", "plugins", "connection", "http", "config"}),
        ("prices", {"planning", "http", "connection"}),
        ("pacing", {"types", "providers", "store", "connection", "http", "config"}),
        ("store", {"types", "media", "planning", "plugins", "connection", "http", "output"}),
        ("envelope", {"planning", "media", "store", "output"}),
        ("fallback", {"plugins", "connection", "config", "media"}),
        ("ledger", {"planning", "prices", "store", "pacing", "connection", "config"}),
        ("memory", {"hooks", "plugins", "config", "ledger", "pacing", "store"}),
        ("answering", {"http", "output", "config", "plugins", "pacing"}),
        ("batches", {"output", "http", "connection", "plugins", "hooks", "planning"}),
        ("plugins", {"media", "http", "connection", "config"}),
        ("hookspecs", {"types", "errors", "http"}),
        ("dispatch", {"output", "http"}),
        ("http", {"media", "plugins"}),
    ],
)
def test_these_know_nothing_of_those(module, never):
    inside = [path for name, path in MODULES.items() if name.partition(".")[0] == module]
    assert inside
    known = {name.partition(".")[0] for path in inside for name in imported(path)}
    assert known & never == set()


def test_only_one_module_calls_hooks_of_providers():
    calling = {
        name
        for name, path in MODULES.items()
        if "subset_hook_caller" in path.read_text(encoding="utf-8")
    }
    assert calling == {"hooks"}


def test_only_the_connection_and_the_keys_below_it_read_keys():
    """The others that look at the environment look for names of files, plugins and providers."""
    reading = {
        name
        for name, path in MODULES.items()
        if "os.environ" in path.read_text(encoding="utf-8") and name not in ("connection", "keys")
    }
    # The suite watches a plugin reading it, and puts it back as it was.
    assert reading == {
        "choosing",
        "cli.completion",
        "config",
        "output.colour",
        "plugins",
        "testing.environment",
        "testing.probe",
    }


@pytest.mark.parametrize("module", [name for name in MODULES if top(name) == "planning"])
def test_the_planner_does_nothing_but_think(module):
    """No file, no clock, no chance, no thread: the same facts give the same plan."""
    said = MODULES[module].read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(said)) if isinstance(node, ast.Import)]
    plain = {alias.name for node in imports for alias in node.names}
    assert plain <= {"math"}
    assert "open(" not in said


def test_no_module_prints():
    printing = [
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    ]
    assert printing == []


def test_the_core_imports_no_provider_package():
    tops = {
        name.partition(".")[0]
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert not {name for name in tops if name.startswith("mediasense_")}
    assert tops.isdisjoint({"openai", "google", "rapidocr", "onnxruntime", "requests", "httpx"})
