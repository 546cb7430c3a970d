"""How the experiment on cells is trained: in what it differs from the EM experiment's profiles. All of it is ours."""

from unet_paper.cli.settings import recipe

# One pass, and the mean over mirrored and turned versions; the authors' released scripts take mirrored ones only.
FOR_ALL = {"tta": "none,d4"}
# Tiles such that both directions of a data set take at most 15 minutes together on two CPU cores.
OF_PROFILE = {"paper": {}, "quick": {"steps": "1500"}, "smoke": {"tta": "none"}}
OPTIMISER = "adam"  # each sequence has few frames; the paper's is sgd


def cell_changes(profile: str, optimiser: str | None = None, minutes: float | None = None) -> list[str]:
    """NAME=VALUE changes of a profile for the experiment on cells."""
    settings = dict(change.split("=", 1) for change in recipe(profile, optimiser or OPTIMISER, minutes))
    return [f"{name}={value}" for name, value in (settings | FOR_ALL | OF_PROFILE[profile]).items()]
