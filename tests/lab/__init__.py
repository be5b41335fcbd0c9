# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests on a cluster of the running lab; they require root.

All tests run on the cluster of `make demo-ha`; on the cluster of `make demo`, those that require
several control-plane nodes are skipped. If both exist, HEATGEN_LAB_CLUSTER selects one.
Measurements are stored in the report and in `figures.json` in the directory of the cluster.
"""
