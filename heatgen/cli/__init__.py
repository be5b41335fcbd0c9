# SPDX-License-Identifier: Apache-2.0
"""Command line: thin commands over public functions. Results on stdout, messages on stderr."""
