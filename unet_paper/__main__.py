import sys

from unet_paper.cli.commands import main

sys.exit(main())
