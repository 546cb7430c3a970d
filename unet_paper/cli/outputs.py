"""Where results of one file and of several go."""

from collections.abc import Sequence
from pathlib import Path

from unet_paper.cli.checks import must_be_tiff, must_be_writable, must_lie_apart
from unet_paper.io.image_files import TIFF_SUFFIXES
from unet_paper.io.image_folder import image_files, results_of, several_files
from unet_paper.support.errors import BadInput


def outputs(inputs: Sequence[Path], out: Path, force: bool, held: str) -> list[tuple[Path, Path]]:
    """Every file that is read and the TIFF that is made of it: `out`, or, of a folder and of several files, one of the
    same name in the folder `out`.

    held : what the inputs are, for messages. Raises BadInput where a result cannot be made, or would replace a file.
    """
    if not several_files(inputs):
        must_be_writable(out)
        must_be_tiff(out)
        return [(inputs[0], _free(out, inputs, force, held))]
    files = image_files(inputs)
    if out.is_file() or out.suffix.lower() in TIFF_SUFFIXES:
        raise BadInput(f"{out} is one file, and there are {len(files)} of {held}; give the name of a folder for them")
    must_lie_apart(inputs, out, "results")
    return [(file, _free(result, files, force, held)) for file, result in results_of(inputs, out)]


def _free(out: Path, inputs: Sequence[Path], force: bool, held: str) -> Path:
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise BadInput(f"{out} holds the {held}, which would be lost; give another name for the result")
    must_be_writable(out, force)
    return out
