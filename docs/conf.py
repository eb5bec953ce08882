"""The documentation site: python -m sphinx -E -W --keep-going -d build/doctrees docs build/site

Pages are Markdown (MyST). Reference pages are made from docstrings, parsers and configs by the
extensions in _sphinx/. Nothing on a built page comes from another host.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_sphinx")]

from jaxconv import __version__  # noqa: E402

project = "jaxconv"
version = release = __version__
author = "The jaxconv authors"
copyright = author
html_title = f"jaxconv {__version__}"  # at the head of every page's list of pages

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docstrings",
    "generated",
    "offline",
    "finish",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "html_image", "substitution"]
myst_substitutions = {"version": __version__}
myst_heading_anchors = 3
suppress_warnings = []

default_role = "py:obj"
add_module_names = True  # a name is shown as it is imported
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Returns", "Cost", "Variables"]  # prose, no "type: text"
smartquotes_action = "D"  # dashes only: quotes here belong to code
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it would fetch pages, which a browser refuses from disk
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
