# SPDX-License-Identifier: Apache-2.0
"""Measurements and long runs, each a separate program."""
