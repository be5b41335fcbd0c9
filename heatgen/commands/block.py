# SPDX-License-Identifier: Apache-2.0
"""``heatgen block lint``."""
from cliff.command import Command


class BlockLint(Command):
    """Check building blocks."""
