"""The U-Net paper (Ronneberger, Fischer, Brox, MICCAI 2015), reproduced."""

__version__ = "0.1.0"
