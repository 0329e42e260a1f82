"""`python -m hepjax`."""

import sys

from hepjax.app.cli import main

sys.exit(main())
