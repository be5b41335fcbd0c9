# SPDX-License-Identifier: Apache-2.0
"""The checks, one module a subject; the layer of a check is its pytest marker."""
