"""``python -m atlas_endpoints`` and the command ``atlas-endpoints``."""

import sys

from atlas_endpoints.cli import main

if __name__ == "__main__":
    sys.exit(main())
