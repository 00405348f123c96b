"""Run the command line: python -m testbed"""

import os
import sys

if not sys.flags.safe_path:
    # Python puts the current directory first; a file random.py or a folder experiments/ there must replace nothing.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from testbed.cli import main

if __name__ == "__main__":
    main()
