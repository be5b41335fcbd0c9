# SPDX-License-Identifier: Apache-2.0
"""Entry point of ``python -m heatgen``."""

import sys

from heatgen.cli.main import main

sys.exit(main())
