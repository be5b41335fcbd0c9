# SPDX-License-Identifier: Apache-2.0
"""Measurements and long runs, each a program of its own."""
