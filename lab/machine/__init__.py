# SPDX-License-Identifier: Apache-2.0
"""Build the image of a server that runs a real virtual machine with its own kernel."""
