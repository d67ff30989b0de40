"""How the pages become a site: `make docs` builds it into site/.

Sphinx, since it is kept up and complete: MkDocs 1 has ended, Material for MkDocs ends in 2027, and
mkdocstrings is only repaired. Nothing in the built site is fetched from elsewhere.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "Underpaint"
author = "the authors of Underpaint"
release = version = installed("underpaint")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "from_code"]
smartquotes = False  # two dashes are a flag, and quotes are copied

html_theme = "furo"
html_title = "Underpaint"
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#a04000",
        "color-brand-content": "#a04000",
        "font-stack": "system-ui, sans-serif",
    },
    "dark_css_variables": {"color-brand-primary": "#f0a868", "color-brand-content": "#f0a868"},
}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 110
napoleon_numpy_docstring = False
default_role = "code"
