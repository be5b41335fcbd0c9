# SPDX-License-Identifier: Apache-2.0
"""Import of TOSCA topologies."""
