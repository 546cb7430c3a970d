"""`data` and `phantom`: stacks to train on."""

from argparse import Namespace

from unet_paper.cli.checks import must_be_writable
from unet_paper.support.errors import BadInput


def do_data(arguments: Namespace) -> None:
    """`data`"""
    from unet_paper.datasets import isbi2012

    if arguments.check and arguments.source is not None:
        raise BadInput("--check only verifies what is in --to; give --from without it")
    if arguments.check:
        findings = isbi2012.check_folder(arguments.to)
    else:
        findings = isbi2012.fetch(arguments.to, arguments.source)
    for finding in findings:
        print(f"{finding.state:9} {finding.sentence}")
    states = {finding.name: finding.state for finding in findings}
    unverified = [name for name in isbi2012.REQUIRED if states[name] != "verified"]
    if unverified:
        raise BadInput(
            f"{arguments.to} lacks the official {', '.join(f'{name}.tif' for name in unverified)}; get the archive "
            f"from {isbi2012.CHALLENGE_PAGE} and give it with --from"
        )
    if states["test-labels"] == "wrong":
        raise BadInput(
            f"{arguments.to / 'test-labels.tif'} is not the official stack (many copies are some network's output); "
            "remove it, and runs are scored on a fold of the training stack"
        )
    if states["test-labels"] == "missing":
        print("Without the official test-labels.tif, runs are scored on a fold of the training stack.")


def do_phantom(arguments: Namespace) -> None:
    """`phantom`"""
    from unet_paper.datasets.phantom import write_phantom

    must_be_writable(arguments.to / "phantom.json", arguments.force)
    write_phantom(arguments.to, arguments.train_sections, arguments.test_sections, arguments.size, arguments.seed)
    print(f"wrote a phantom of {arguments.train_sections} + {arguments.test_sections} sections to {arguments.to}")
