"""`python -m training.engine`: the engine's command line."""

import sys

from training.engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
