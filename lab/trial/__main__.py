# SPDX-License-Identifier: Apache-2.0
"""`python -m lab.trial`, which `lab/lab fault` runs with the lab's own virtual environment."""

import sys

from lab.trial.command import main

sys.exit(main(sys.argv[1:]))
