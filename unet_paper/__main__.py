import sys

from unet_paper.command_line import main

sys.exit(main())
