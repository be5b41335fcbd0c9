# SPDX-License-Identifier: Apache-2.0
"""Fault injection tests: every fault on a cluster of the lab. Require root and the lab."""
