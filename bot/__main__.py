"""`python -m bot` is the command `concierge`."""

import sys

from bot.command_line import main

sys.exit(main())
