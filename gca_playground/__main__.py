"""``python -m gca_playground`` is the command ``gca-playground``."""

import sys

from gca_playground.cli import main

if __name__ == "__main__":
    sys.exit(main())
