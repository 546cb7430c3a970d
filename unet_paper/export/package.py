"""The bioimage.io package: one zip file with the network in three formats and all that tools ask of it."""

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import torch

from unet_paper.checkpoint import Checkpoint
from unet_paper.export import traced
from unet_paper.export.architecture import architecture_source, same_size_network, same_size_options
from unet_paper.export.description import FILES, description, package_name
from unet_paper.export.documentation import documentation
from unet_paper.export.onnx_file import onnx_bytes
from unet_paper.export.provenance import Provenance
from unet_paper.export.sample import make_sample
from unet_paper.export.terms import Terms
from unet_paper.support.errors import BadInput
from unet_paper.support.extras import require_extra
from unet_paper.support.files import atomic_write

DESCRIPTION = "rdf.yaml"


def publish_package(path: Path | str, checkpoint: Checkpoint, source: Provenance, terms: Terms) -> None:
    """Write a checkpoint's network as a bioimage.io package, whole or not at all; twice gives the same bytes.

    Raises BadInput where the packages of the extra `export` are missing, for a licence that the format does not know,
    and where the description is not valid.
    """
    for name in ("onnx", "ruyaml", "bioimageio.spec"):
        require_extra(name, f"writing {path}")
    must_be_known(terms.licence)
    with tempfile.TemporaryDirectory(prefix="unet-paper-") as name:
        folder = Path(name)
        write_files(folder, checkpoint, source, terms)
        must_be_valid(folder)
        with atomic_write(path) as temporary:
            zip_folder(folder, temporary)


def write_files(folder: Path, checkpoint: Checkpoint, source: Provenance, terms: Terms) -> None:
    """The package's files, into an empty folder."""
    network = same_size_network(checkpoint)
    sample = make_sample(network, checkpoint.standardisation)
    weights = io.BytesIO()
    torch.save(network.state_dict(), weights)
    contents = {
        "architecture": architecture_source().encode(),
        "pytorch_state_dict": weights.getvalue(),
        "onnx": onnx_bytes(checkpoint, same_size=True),
        "documentation": documentation(package_name(checkpoint, source), checkpoint, source).encode(),
        "cover": sample.cover(),
    }
    contents["test_input"], contents["test_output"] = sample.tensors()
    contents["sample_input"], contents["sample_output"] = sample.images()
    for key, content in contents.items():
        (folder / FILES[key]).write_bytes(content)
    trace(folder, same_size_options(checkpoint))
    sha256 = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES.values()}
    parameters = sum(values.numel() for values in network.parameters())
    write_yaml(folder / DESCRIPTION, description(checkpoint, source, terms, sha256, parameters))


def trace(folder: Path, options: dict[str, Any]) -> None:
    """TorchScript, by a process that has the package's own files only."""
    command = [sys.executable, "-W", "ignore", traced.__file__, str(folder), json.dumps(options)]
    done = subprocess.run([*command, str(folder / FILES["torchscript"])], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"TorchScript could not be made: {done.stderr.strip()}")


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    """Plain values as YAML, in their order."""
    yaml = require_extra("ruyaml", f"writing {path}").YAML(typ="safe")
    yaml.default_flow_style, yaml.sort_base_mapping_type_on_output = False, False
    with open(path, "w", encoding="utf-8") as file:
        yaml.dump(values, file)


def must_be_known(licence: str) -> None:
    """Raise BadInput for a licence that is not in SPDX's list. bioimageio.spec would name all that are."""
    generic = require_extra("bioimageio.spec.generic.v0_3", "a package")
    for known in (generic.LicenseId, generic.DeprecatedLicenseId):
        try:
            known(licence)
            return
        except ValueError:
            continue
    raise BadInput(
        f"--licence {licence} is not in SPDX's list of licences (https://spdx.org/licenses); give an identifier of it, "
        "such as MIT or CC-BY-4.0"
    )


def must_be_valid(folder: Path) -> None:
    """Raise BadInput unless bioimageio.spec takes the description and all its files."""
    spec = require_extra("bioimageio.spec", "a package")
    summary = spec.load_description_and_validate_format_only(folder / DESCRIPTION)
    if summary.status == "failed":
        reasons = [f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in summary.errors]
        raise BadInput(f"bioimageio.spec refuses the package ({'; '.join(reasons)})")


def zip_folder(folder: Path, path: Path) -> None:
    """All files of a folder, in the order of their names and without their times."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(file.name)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
