"""What a start costs: nothing is imported, read or started before it is needed."""

from __future__ import annotations

import json

import pytest

HEAVY = (
    "openai",
    "google.genai",
    "PIL",
    "av",
    "numpy",
    "cv2",
    "onnxruntime",
    "rapidocr",
    "urllib3",
    "asyncio",
)

RUN_AND_LIST = """
import json, sys
sys.argv = ["mediasense", *{arguments!r}]
from mediasense.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["providers"], ["plugins"], ["--version"]])
def test_looking_around_imports_nothing_heavy(acme_site, arguments):
    done = acme_site.python(RUN_AND_LIST.format(arguments=arguments))
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stderr))
    assert "mediasense" in modules
    assert [name for name in HEAVY if name in modules] == []


def test_importing_the_library_imports_nothing_heavy(site):
    code = "import json, sys, mediasense; print(json.dumps(sorted(sys.modules)))"
    modules = set(json.loads(site.python(code).stdout))
    assert [name for name in (*HEAVY, "typer", "rich", "pluggy") if name in modules] == []


RECORD = """
import collections.abc, json, os, sys, threading, traceback

class Recording(collections.abc.MutableMapping):
    def __init__(self, real):
        self.real, self.read = real, []
    def __getitem__(self, name):
        self.read.append((name, "".join(traceback.format_stack(limit=4)[:-1])))
        return self.real[name]
    def __iter__(self):
        self.read.append("*")
        return iter(self.real)
    def __len__(self): return len(self.real)
    def __setitem__(self, name, value): self.real[name] = value
    def __delitem__(self, name): del self.real[name]

import importlib.metadata, typing, dataclasses
os.environ = Recording(os.environ)
before = threading.active_count()
{code}
print(json.dumps({{"read": os.environ.read, "threads": threading.active_count() - before}}))
"""

IMPORT_ALL = """
import mediasense
for name in mediasense.__all__:
    getattr(mediasense, name)
"""


@pytest.mark.parametrize("code", ["import mediasense", IMPORT_ALL], ids=["package", "every name"])
def test_importing_the_library_reads_no_variable_and_starts_no_thread(site, code):
    done = site.python(RECORD.format(code=code))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"read": [], "threads": 0}


def test_the_recorder_records(site):
    """So that the test above could fail."""
    done = site.python(RECORD.format(code="os.environ.get('A'); os.getenv('B')"))
    assert [name for name, _ in json.loads(done.stdout)["read"]] == ["A", "B"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_importing_the_library_prints_nothing(site, stream):
    assert getattr(site.python(IMPORT_ALL), stream) == ""


def test_the_site_sees_no_provider_package(site):
    """The core is tested alone."""
    code = "from mediasense.discovery import find_entry_points; print(list(find_entry_points()))"
    assert site.python(code).stdout == "[]\n"


def test_a_command_loads_no_other_one(site):
    code = (
        "import sys; sys.argv[1:] = ['cache', 'stats']; from mediasense.cli import main\n"
        "try: main()\n"
        "finally: print(*(name for name in sys.modules if name.startswith('mediasense.cli.')))"
    )
    loaded = site.python(code).stdout.splitlines()[-1].split()
    assert "mediasense.cli.cache" in loaded
    assert not {f"mediasense.cli.{n}" for n in ("ask", "batch", "keys", "tasks")} & {*loaded}
