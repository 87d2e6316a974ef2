"""Loading plugins safely: what a plugin does when it is loaded, and what is wrong with it."""

from __future__ import annotations

import signal
import sys
import threading
import time
import warnings

import pytest

from mediasense import hookimpl, loading
from mediasense.discovery import EntryPoint, find_entry_points, module_digest, named_plugin
from mediasense.loading import IMPORT, Watch, import_plugin
from mediasense.plugins import load_plugins

POLICY = """
from mediasense import hookimpl

@hookimpl
def prepare_request(request):
    return None
"""


@pytest.fixture
def impatient(monkeypatch):
    """Waits of a fraction of a second; only for what does not end, for machines are slow."""
    monkeypatch.setattr(loading, "PATIENCE", 0.3)


@pytest.fixture
def cause(installed):
    """Install a plugin that fails, beside one that works, and tell why it does."""

    def of(source: str, name: str = "broken") -> str:
        installed.install(name, source)
        installed.install("zoo", POLICY)
        plugins = load_plugins()
        assert [plugin.entry_point.name for plugin in plugins.loaded] == ["zoo"]
        (failure,) = plugins.failures
        return failure.cause

    return of


def loaded(installed, source: str):
    """The one plugin, which loads."""
    installed.install("house", source)
    plugins = load_plugins()
    assert plugins.failures == ()
    return plugins, plugins.loaded[0].entry_point


# --- what does not end ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["while True: pass", "import time\ntime.sleep(3)", "while True: print('x')"],
    ids=["busy", "sleeping", "printing"],
)
@pytest.mark.usefixtures("impatient")
def test_an_endless_import_is_given_up(cause, source):
    # Of a name of its own: what is left behind holds the lock of its module.
    assert (
        cause(source, f"endless_{len(source)}")
        == "its import did not end in 0.3 s; report it to the plugin's author"
    )


@pytest.mark.usefixtures("impatient")
def test_a_busy_loop_that_was_given_up_ends(cause):
    before = threading.enumerate()
    cause("while True: pass", "endless")
    deadline = time.monotonic() + 20
    while set(threading.enumerate()) - set(before):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("impatient")
def test_endless_capabilities_are_given_up(cause):
    source = "from mediasense import hookimpl\n@hookimpl\ndef capabilities():\n  while 1: pass"
    assert cause(source, "endless").startswith("its capabilities() did not end in 0.3 s")


def test_ctrl_c_ends_the_wait_for_an_import(site, heed_ctrl_c):
    site.install("slow", "import time, sys\nprint('here', file=sys.stderr)\ntime.sleep(60)")
    process = site.start("plugins", preexec_fn=heed_ctrl_c)
    assert process.stderr.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)  # and not 60, as it would last
    assert (process.returncode, stdout) == (130, ""), stderr
    assert "Traceback" not in stderr


def test_ctrl_c_ends_the_program_though_a_plugin_holds_standard_error(site, heed_ctrl_c):
    """Its thread is amid a print that nobody reads: Python's own end waits for it, or crashes."""
    site.install(
        "loud", "import sys\nprint('here', file=sys.stderr)\nprint('x' * 9**7, file=sys.stderr)"
    )
    process = site.start("plugins", preexec_fn=heed_ctrl_c)
    assert process.stderr.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130


# --- what it prints, and what it is warned of ----------------------------------------------------


def test_what_is_printed_at_the_import_is_remarked_and_not_shown(installed, capsys):
    plugins, point = loaded(installed, f"print('hello')\n{POLICY}")
    assert plugins.remarks(point) == ("it printed 'hello' when it was imported",)
    assert capsys.readouterr().out == ""


def test_what_is_printed_in_capabilities_is_remarked(installed, capsys):
    source = f"{POLICY}\n@hookimpl\ndef capabilities():\n    print('a\\n' * 9999)\n    return ()"
    plugins, point = loaded(installed, source)
    (remark,) = plugins.remarks(point)
    assert remark.startswith("it printed 'a a a")
    assert remark.endswith(" in capabilities()")
    assert len(remark) < 600
    assert capsys.readouterr().out == ""


def test_what_others_print_meanwhile_reaches_stdout(capsys):
    def act() -> None:
        other = threading.Thread(target=print, args=("from another",))
        other.start()
        other.join()
        print("from the plugin")

    watch = Watch(named_plugin("house"))
    watch.run(act, IMPORT)
    assert capsys.readouterr().out == "from another\n"
    assert watch.remarks == ["it printed 'from the plugin' when it was imported"]


@pytest.mark.parametrize("end", ["raise ValueError", "raise SystemExit"])
def test_stdout_is_what_it_was_however_an_import_ends(cause, end):
    before = sys.stdout
    cause(f"print('x')\n{end}")
    assert sys.stdout is before


def test_a_warning_about_the_plugin_is_remarked(installed):
    warn = "import warnings\nwarnings.warn('old name', DeprecationWarning)\n"
    plugins, point = loaded(installed, warn + POLICY)
    assert plugins.remarks(point) == ("it is warned: old name",)


def test_a_hook_that_will_go_is_remarked(load, monkeypatch):
    from mediasense import hookspecs

    marks = {**hookspecs.prepare_request.mediasense_spec}
    marks["warn_on_impl_args"] = {"request": DeprecationWarning("request will go")}
    monkeypatch.setattr(hookspecs.prepare_request, "mediasense_spec", marks)
    source = compile(POLICY, "house.py", "exec")
    names: dict = {"__name__": "fake_house"}
    exec(source, names)
    module = type(sys)("fake_house")
    module.__file__ = "house.py"
    module.prepare_request = names["prepare_request"]
    monkeypatch.setitem(sys.modules, "fake_house", module)
    point = EntryPoint(name="house", module="fake_house", distribution="house", version="1")
    assert load_plugins((point,)).remarks(point) == ("it is warned: request will go",)


def test_a_warning_about_others_is_passed_on():
    watch = Watch(named_plugin("house"))
    with pytest.warns(UserWarning, match="mind"):
        watch.run(lambda: warnings.warn("mind", UserWarning, stacklevel=1), IMPORT)
    assert watch.remarks == []


# --- what is wrong, in its author's words --------------------------------------------------------


def hooks(text: str) -> str:
    return f"from mediasense import hookimpl\n{text}"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "@hookimpl\ndef analyze_image(request, on_progress): pass",
            "its analyze_image takes 'on_progress', which mediasense 0.1.0 does not offer: it was "
            "written for a newer one; type: pip install -U mediasense",
        ),
        (
            "@hookimpl\ndef analyze_image(reqest): pass",
            "its analyze_image takes 'reqest', which mediasense 0.1.0 does not offer; "
            "did you mean request?",
        ),
        (
            "@hookimpl\ndef analyse_image(request): pass",
            "analyse_image is no hook; did you mean analyze_image?",
        ),
        ("@hookimpl\ndef brew(): pass", "brew is no hook; mediasense 0.1.0 has no such"),
        (
            "@hookimpl(specname='analyse_image')\ndef look(request): pass",
            "analyse_image is no hook; did you mean analyze_image?",
        ),
        (
            "def analyze_image(request): pass",
            "analyze_image is not marked; put @hookimpl above each",
        ),
        (
            "def analyze_image(request): pass\ndef generate(request): pass",
            "analyze_image, generate are not marked; put @hookimpl above each",
        ),
        (
            "@hookimpl\nasync def analyze_image(request): pass",
            "its analyze_image is async, and hooks are synchronous; type: def, and no await",
        ),
        (
            "@hookimpl\ndef analyze_image(*, request): pass",
            "its analyze_image takes 'request' by keyword alone; leave out the * before it",
        ),
        (
            "@hookimpl(wrapper=True)\ndef analyze_image(request): pass",
            "its analyze_image is marked as a wrapper and has no yield; yield once",
        ),
        (
            "@hookimpl\ndef analyze_image(request): yield",
            "its analyze_image has a yield and is not marked as a wrapper; "
            "return the answer, or mark it with @hookimpl(wrapper=True)",
        ),
        ("x = 1", "site_broken implements no hook; mark its functions with @hookimpl"),
        (
            "import acme_sdk",
            "ModuleNotFoundError: No module named 'acme_sdk'; "
            "type: pip install mediasense-broken, which brings what it needs",
        ),
        (
            "import mediasense.brewing",
            "ModuleNotFoundError: No module named 'mediasense.brewing'; mediasense 0.1.0 does not "
            "have it: it was written for a newer one; type: pip install -U mediasense",
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(cause, source, told, monkeypatch):
    monkeypatch.setattr(loading, "_version", lambda: "0.1.0")
    assert cause(hooks(source)) == told


def test_a_name_that_the_core_lacks_is_of_a_newer_one(cause):
    told = cause("from mediasense import Brew")
    assert "cannot import name 'Brew' from 'mediasense'" in told
    assert told.endswith("it was written for a newer one; type: pip install -U mediasense")


def test_all_that_is_wrong_is_told(cause):
    told = cause(
        hooks(
            "@hookimpl\ndef analyse_image(request): pass\n"
            "@hookimpl\nasync def generate(request): pass"
        )
    )
    assert told.startswith("analyse_image is no hook; its generate is async")


def test_an_argument_with_a_default_may_be_of_a_newer_core(load, acme):
    @hookimpl
    def analyze_image(request, on_progress=None):
        assert on_progress is None

    plugins = load(one={"capabilities": lambda: (acme(),), "analyze_image": analyze_image})
    assert plugins.failures == ()


def test_an_optional_hook_of_a_newer_core_is_left_alone(installed):
    loaded(installed, f"{POLICY}\n@hookimpl(optionalhook=True)\ndef brew(): pass")


def test_a_forgotten_mark_is_remarked(installed):
    plugins, point = loaded(installed, f"{POLICY}\ndef analyze_image(request): pass")
    assert plugins.remarks(point) == ("its analyze_image is not marked with @hookimpl",)


def test_the_real_plugins_of_this_environment_have_no_remarks():
    plugins = load_plugins()
    assert [plugins.remarks(plugin.entry_point) for plugin in plugins.loaded] == [
        () for _ in plugins.loaded
    ]


# --- in which order ------------------------------------------------------------------------------

WRAPPER = """
from mediasense import hookimpl

@hookimpl(wrapper=True{more})
def analyze_image(request):
    ORDER.append("{name}")
    return (yield)
"""


@pytest.mark.parametrize(
    ("last", "order"), [("", ["a", "b", "c"]), (", tryfirst=True", ["c", "a", "b"])]
)
def test_the_first_wrapper_by_name_stands_around_the_others(
    load, acme, offers, make_image, last, order, tmp_path
):
    from mediasense import Answer, Question
    from mediasense.dispatch import Dispatcher

    asked: list[str] = []

    def wrapper(name: str, more: str = ""):
        names: dict = {"ORDER": asked}
        exec(WRAPPER.format(name=name, more=more), names)
        return {"analyze_image": names["analyze_image"]}

    answers = offers(acme(kind="device"), analyze_image=lambda: Answer(text="a", model="m"))
    plugins = load(a=wrapper("a"), b=wrapper("b"), c=wrapper("c", last), acme=answers)
    Dispatcher(plugins).analyze((make_image(),), Question(provider="acme"))
    assert asked == order


# --- one file ------------------------------------------------------------------------------------


def test_a_file_is_a_plugin_of_the_name_of_the_file(tmp_path):
    path = tmp_path / "my rules.py"
    path.write_text(POLICY)
    point = named_plugin(str(path))
    assert (point.name, point.module, point.distribution) == ("my rules", str(path), str(path))
    assert len(point.version) == 8
    plugins = load_plugins((), named=(point,))
    assert (plugins.failures, plugins.loaded[0].entry_point) == ((), point)


def test_nothing_is_left_beside_a_file_and_its_folder_is_on_no_path(tmp_path):
    (tmp_path / "neighbour.py").write_text("")
    path = tmp_path / "rules.py"
    path.write_text(f"{POLICY}\ntry:\n    import neighbour\nexcept ImportError: pass\nelse: 1 / 0")
    before = sys.path[:]
    assert load_plugins((), named=(named_plugin(str(path)),)).failures == ()
    assert sys.path == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["neighbour.py", "rules.py"]


def test_records_can_be_made_in_a_file(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        f"{POLICY}\n@dataclass(slots=True)\nclass Rule:\n    name: str\n"
    )
    assert load_plugins((), named=(named_plugin(str(path)),)).failures == ()


def test_changed_code_is_another_version(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text(POLICY)
    before = named_plugin(str(path))
    path.write_text(f"{POLICY}\n")
    assert named_plugin(str(path)).version != before.version
    (failure,) = load_plugins((), named=(before,)).failures
    assert failure.cause == "it changed while it was loaded; try again"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no file {path}; check the path"),
        ("folder", "{path} is a folder; name the file, or install the package"),
        ("", "it is empty, or cannot be read; check the file"),
        ("def (", "SyntaxError: invalid syntax (rules.py, line 1)"),
        ("x = 1", "{path} implements no hook; mark its functions with @hookimpl"),
        (
            "import acme_sdk",
            "ModuleNotFoundError: No module named 'acme_sdk'; install the package that has it",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, content, told):
    path = tmp_path / "rules.py"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    (failure,) = load_plugins((), named=(named_plugin(str(path)),)).failures
    assert failure.cause == told.format(path=path)


def test_a_module_can_be_named(installed):
    (installed.folder / "house_rules.py").write_text(POLICY)
    point = named_plugin("house_rules")
    assert (point.name, point.is_file, point.version) == ("house_rules", False, "")
    assert load_plugins((), named=(point,)).loaded[0].entry_point == point


def test_finding_a_module_runs_nothing(installed):
    package = installed.folder / "house"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    (package / "rules.py").write_text(POLICY)
    before = module_digest("house.rules")
    (package / "rules.py").write_text(f"{POLICY}\n")
    assert module_digest("house.rules") not in ("", before)


def test_the_code_of_a_named_module_is_read_by_those_who_need_it(installed, monkeypatch):
    """A package may have a thousand files, and most commands look at none of them."""
    (installed.folder / "house_rules.py").write_text(POLICY)
    read = []
    monkeypatch.setattr("mediasense.discovery.read_bytes", lambda path: read.append(path) or b"x")
    plugins = load_plugins((), named=(named_plugin("house_rules"),))
    assert (str(plugins.loaded[0].entry_point), read) == ("house_rules (house_rules)", [])
    assert module_digest("house_rules")
    assert len(read) == 1


@pytest.mark.parametrize("named", ["nowhere", "a b", ".", "", "no.where", "site_broken:x"])
def test_a_module_that_is_none_fails_alone(installed, named):
    installed.install("zoo", POLICY)
    plugins = load_plugins(named=(named_plugin(named),))
    assert [plugin.entry_point.name for plugin in plugins.loaded] == ["zoo"]
    assert len(plugins.failures) == 1


def test_what_is_named_twice_or_installed_too_is_loaded_once(installed, tmp_path):
    installed.install("zoo", POLICY)
    path = tmp_path / "rules.py"
    path.write_text(POLICY)
    file = named_plugin(str(path))
    plugins = load_plugins(named=(file, named_plugin("site_zoo"), named_plugin(str(path))))
    assert plugins.failures == ()
    assert [plugin.entry_point.origin for plugin in plugins.loaded] == ["option", "installed"]


def test_a_file_of_a_name_that_is_taken_is_told(installed, tmp_path):
    installed.install("zoo", POLICY)
    path = tmp_path / "zoo.py"
    path.write_text(POLICY)
    (failure,) = load_plugins(named=(named_plugin(str(path)),)).failures
    assert failure.cause == (
        "another plugin is already named 'zoo': zoo (mediasense-zoo 1.0); "
        "give the file another name"
    )


def test_a_file_that_is_switched_off_is_not_run(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text("raise SystemExit")
    plugins = load_plugins((), named=(named_plugin(str(path)),), disabled=("rules",))
    assert (plugins.failures, len(plugins.switched_off)) == ((), 1)


def test_a_file_runs_as_it_was_looked_at(tmp_path):
    """The bytes that the version is a digest of are those that run."""
    path = tmp_path / "rules.py"
    path.write_text("VALUE = 1\n")
    assert import_plugin(named_plugin(str(path))).VALUE == 1
    path.write_text("VALUE = 2\n")
    assert import_plugin(named_plugin(str(path))).VALUE == 2


def test_the_environment_of_the_tests_installs_nothing_by_option():
    assert {point.origin for point in find_entry_points()} <= {"installed"}
