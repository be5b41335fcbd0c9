# SPDX-License-Identifier: Apache-2.0
"""From the probes' output to facts."""
