# SPDX-License-Identifier: Apache-2.0
"""The lab ring: end to end, on the cluster that stands in the running lab; root.

With `make demo-ha` all of it; on the cluster of `make demo`, whose control plane is one server, the
part that this can bear. If both stand, HEATGEN_LAB_CLUSTER names one. What is measured goes to the
report and to `figures.json` in the cluster's directory.
"""
