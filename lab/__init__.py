# SPDX-License-Identifier: Apache-2.0
"""The lab: OpenStack on one machine, what is built for it, and what runs on its clusters."""
