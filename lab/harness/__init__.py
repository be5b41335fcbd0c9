# SPDX-License-Identifier: Apache-2.0
"""Access to clusters of the lab: nodes, API, health, power, secrets, polling."""
