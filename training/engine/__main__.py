"""`python -m training.engine`: the engine's command line."""

import os
import sys

from training.engine.cli import main

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is written. Python would now take torch apart, object by object: over a second.
    os._exit(code)
