"""The fuzzing of the test suite, for longer.

MARGINBOT_CORPUS=… python bench/fuzz.py [--times 50]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest


def main() -> None:
    """Run tests/fuzz with so many times the examples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    os.environ["MARGINBOT_FUZZ"] = str(parser.parse_args().times)
    sys.exit(pytest.main([str(Path(__file__).parent.parent / "tests" / "fuzz"), "-q"]))


if __name__ == "__main__":
    main()
