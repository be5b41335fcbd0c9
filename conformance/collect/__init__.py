# SPDX-License-Identifier: Apache-2.0
"""Collect facts: run the probes and parse their output."""
