"""The U-Net paper (Ronneberger, Fischer, Brox, MICCAI 2015), reproduced."""

import os

__version__ = "0.1.0"

# PyTorch reads this when it first takes memory: large pages for large maps, which spares page faults on Linux.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
