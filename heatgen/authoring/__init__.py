# SPDX-License-Identifier: Apache-2.0
"""Tools for authors: block linter, scaffold of blocks, and generated reference pages."""
