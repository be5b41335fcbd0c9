# SPDX-License-Identifier: Apache-2.0
"""The life of a run on the cluster: creation, monitoring, deletion."""
