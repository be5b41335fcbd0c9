# SPDX-License-Identifier: Apache-2.0
"""Fault injection: the suite must detect each fault in a cluster, and report nothing else.

`faults/` contains one small module per fault. The other modules inject and heal faults, run the
suite and evaluate its results; they contain no knowledge of individual faults.
"""
