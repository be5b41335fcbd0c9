# SPDX-License-Identifier: Apache-2.0
"""Clusters of the lab as tests and faults use them: nodes, API, health, power, secrets, polling."""
