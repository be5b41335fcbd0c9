# SPDX-License-Identifier: Apache-2.0
"""The lab ring: end to end, against the running lab with the stack `demo` (`make demo`); root."""
