# SPDX-License-Identifier: Apache-2.0
"""Renderer of plans as Heat templates, checks of Heat's limits, and summaries of plans."""
