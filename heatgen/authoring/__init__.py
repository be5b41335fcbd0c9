# SPDX-License-Identifier: Apache-2.0
"""Tools for authors of blocks and of documents."""
