"""The threshold of a run on cells, chosen on the frames that it was trained on."""

from dataclasses import replace

from unet_paper.checkpoint import Checkpoint
from unet_paper.datasets.training_stacks import Stacks
from unet_paper.prediction import predict
from unet_paper.runs.cell_scoring import at_thresholds
from unet_paper.runs.cell_segmentation import segmentation_of
from unet_paper.runs.record import RunRecord
from unet_paper.support.logs import logger


def seg_of_training_frames(trained: Checkpoint, stacks: Stacks, record: RunRecord, device: str) -> dict[float, float]:
    """{threshold: SEG} of the frames that a run on cells was trained on, for each of TRIED_THRESHOLDS, with
    its primary test-time augmentation. Says which threshold counts, see `cell_segmentation.segmentation_of`.
    """
    logger.info(f"choosing the threshold on the {len(stacks.volume)} frames trained on")
    probability = predict(trained, stacks.volume, record.config.primary, device=device, registered=True)
    tried = at_thresholds(stacks.labels, probability, segmentation_of(record))
    seg = {each.threshold: round(each.seg, 6) for each in tried}
    used = segmentation_of(replace(record, seg_of_training_frames=seg)).threshold
    if any(seg.values()):
        why = f": SEG of these frames is best there, {seg[used]:.4f}"
    else:
        why = ", which undoes the class weights: SEG of these frames is 0 at each threshold that was tried"
    logger.info(f"cell is what has a probability above {used:g}{why}")
    return seg
