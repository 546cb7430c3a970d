"""A command of the package as a study runs it: it ends when the study's process is gone, even by SIGKILL.

python -m reproduce.studies.child PARENT COMMAND ...

PARENT is the process id of the study, or of the worker of a cluster.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

LOOK = 1.0  # seconds between looks at the parent
GRACE = 60.0  # seconds in which a training may end its step and keep it, before it is killed


def watch(parent: int) -> None:
    """End this process when `parent` is no longer its parent: by SIGTERM, which keeps a training's step, and GRACE
    seconds later by SIGKILL. Returns at once; a thread looks.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def main(given: Sequence[str]) -> int:
    """Run the command."""
    watch(int(given[0]))
    from unet_paper.cli.commands import main as run  # loads PyTorch, which takes seconds: the parent is watched first

    return run(given[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
