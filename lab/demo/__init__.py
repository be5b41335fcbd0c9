# SPDX-License-Identifier: Apache-2.0
"""The demonstrations: create a cluster and check it, starting with the packages.

`steps` lists the steps. A step is skipped if its result exists. Results are stored in the state
directory of the lab, never in the checkout.
"""
