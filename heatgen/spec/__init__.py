# SPDX-License-Identifier: Apache-2.0
"""Reader, validation and data model of ``cluster.yaml``."""
