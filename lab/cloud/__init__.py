# SPDX-License-Identifier: Apache-2.0
"""A real OpenStack in a namespace of this machine.

Python standard library only, for it runs on a bare Debian 12 before anything is installed.
The order of `up` reads top to bottom in `lifecycle`.
"""
