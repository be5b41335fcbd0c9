# SPDX-License-Identifier: Apache-2.0
"""Interpretation of a stack's template, events and outputs."""
