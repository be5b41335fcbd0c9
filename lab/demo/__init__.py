# SPDX-License-Identifier: Apache-2.0
"""The demonstration: one thread through everything, from packages to the suite's verdict.

`steps` lists the steps. Each is skipped when what it would make is there already; what it keeps
lies in the lab's state directory, never in the checkout.
"""
