"""``python -m redislite``: the server, as the console script starts it."""

import sys

from redislite.cli import main

sys.exit(main())
