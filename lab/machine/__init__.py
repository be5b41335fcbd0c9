# SPDX-License-Identifier: Apache-2.0
"""Build the image of a server that runs a real virtual machine with its own kernel."""

# Of the suite, for a cluster with such a node, which is about ten times as slow as a container.
SUITE_OPTIONS = ("--patience", "240", "--deadline", "1500")
