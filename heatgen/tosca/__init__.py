# SPDX-License-Identifier: Apache-2.0
"""The import of TOSCA topologies."""
