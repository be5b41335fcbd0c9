# SPDX-License-Identifier: Apache-2.0
"""The suite's own trial: every fault is put into a cluster of the lab; root and a lab needed."""
