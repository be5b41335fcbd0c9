# SPDX-License-Identifier: Apache-2.0
"""The suite on trial: a fault is put into a cluster, and the suite must see it, and only it.

`faults/` holds the faults, one small module each; here is what brings them in and out, runs the
suite, and judges its words. Nothing here knows one fault from another.
"""
