"""Sphinx's settings."""

from importlib import metadata

project = "cloudsentry"
author = "cloudsentry contributors"
copyright = "cloudsentry contributors"
release = version = metadata.version("cloudsentry")
extensions: list[str] = []
html_theme = "furo"
html_title = f"cloudsentry {release}"
exclude_patterns = ["_build"]
nitpicky = True
