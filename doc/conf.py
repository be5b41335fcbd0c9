# SPDX-License-Identifier: Apache-2.0
"""Sphinx: ``tox run -e docs``."""

project = "heatgen"
project_copyright = "The heatgen maintainers"
extensions = ["cliff.sphinxext"]
autoprogram_cliff_application = "heatgen"
# Two hyphens are an option, not a dash.
smartquotes = False
html_theme = "alabaster"
html_theme_options = {"description": "Kubernetes on OpenStack from Heat alone", "page_width": "72em"}
