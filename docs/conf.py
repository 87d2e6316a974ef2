"""The documentation: Markdown, and a reference that is made of the docstrings."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))
from generated import fill, split_names

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "mediasense"
author = "The mediasense maintainers"
copyright = author  # noqa: A001  the name is Sphinx's
release = version_of("mediasense")
version = release.rpartition(".")[0]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "conf.py", "generated.py"]
source_suffix = {".md": "markdown"}
suppress_warnings = ["myst.header"]  # a page of the reference begins where its names do

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = f"mediasense {version}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
smartquotes = False  # options begin with two dashes
pygments_style = "friendly"
pygments_dark_style = "monokai"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
python_use_unqualified_type_names = True

# What has a page elsewhere, or none: the build asks no other site for its index.
nitpick_ignore_regex = [
    ("py:.*", r"(pathlib\.)?Path"),
    (
        "py:.*",
        r"(collections\.abc\.)?(Callable|Iterable|Iterator|Mapping|Sequence|Generator)(\[.*)?",
    ),
    ("py:.*", r"(typing\.)?(Any|BinaryIO|ClassVar|Literal|Self|TypeVar)"),
    ("py:.*", r"(typer\.)?Typer|typer\.main\.Typer"),
    ("py:.*", r"(_typeshed\.)?WriteableBuffer|(os\.)?PathLike"),
    ("py:.*", r"np\..*|NDArray|av\..*|PluginManager.*"),
    # What stands behind the public names, which live in these modules alone; and type variables.
    (
        "py:.*",
        r"mediasense\.(?!(body|connection|errors|hookspecs|http|providers|types)\.)[a-z_]+\..*",
    ),
    ("py:.*", r"(mediasense\.\w+\.)?(Client|Credential|ImageFacts|RecordingFacts|AnyRequest)"),
    ("py:.*", r"Source|Refusal|OnError|Needs|Prove|mediasense\.providers\.Limits"),
    ("py:.*", r"SchemaLike|Subtitles|CacheUse"),
]


def setup(app: Sphinx) -> None:
    """Put what is generated into the pages as they are read, and docstrings into form."""
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", split_names, priority=400)  # before napoleon
