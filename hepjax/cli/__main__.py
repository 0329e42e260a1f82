"""`python -m hepjax.cli`."""

import sys

from hepjax.cli import main

sys.exit(main())
