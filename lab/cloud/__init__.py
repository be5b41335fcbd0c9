# SPDX-License-Identifier: Apache-2.0
"""A real OpenStack in a namespace of this machine.

Only the Python standard library is used, because the lab starts on a bare Debian 12 before anything
is installed. `lifecycle` contains the sequence of `up`.
"""
