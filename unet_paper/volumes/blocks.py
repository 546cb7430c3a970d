"""How a volume is cut: one block is one shard of the result, and lies on the network's 16 px grid."""

from dataclasses import dataclass

from unet_paper.network import STRIDE
from unet_paper.overlap_tile import Block, Plan

# Of a shard at most, of all its channels; its result takes four bytes for each, and as much while it is written.
SHARD_PIXELS = 2**24
LONGEST_DEPTH = 64  # sections of a shard, at most


@dataclass(frozen=True)
class VolumeBlock:
    """Sections first ... last - 1 of a volume, and a block of each."""

    number: int
    first: int
    last: int
    block: Block

    def __str__(self) -> str:
        block = self.block
        return (
            f"block {self.number} (sections {self.first} to {self.last - 1}, rows {block.top} to {block.bottom - 1}, "
            f"columns {block.left} to {block.right - 1})"
        )


@dataclass(frozen=True)
class Grid:
    """The blocks of a volume, numbered along rows, then columns, then sections."""

    shape: tuple[int, int, int]  # (Z, H, W) of the volume
    shard: tuple[int, int, int]  # (z, h, w); h and w are multiples of 16 px

    @classmethod
    def of_plan(cls, depth: int, height: int, width: int, plan: Plan, together: int, channels: int = 1) -> "Grid":
        """A shard is one of the plan's blocks, of as many sections as are stored `together` or as a shard can take with
        so many channels.
        """
        down, across = (-(-length // STRIDE) * STRIDE for length in plan.blocks[0].shape)
        most = max(1, min(together, depth, LONGEST_DEPTH, SHARD_PIXELS // (channels * down * across)))
        # A shard must not end within sections that are read together, unless it is smaller than these.
        sections = next(count for count in range(most, 0, -1) if together % count == 0 or count == depth)
        return cls((depth, height, width), (sections, down, across))

    @property
    def counts(self) -> tuple[int, int, int]:
        """Blocks along each axis."""
        depth, height, width = (-(-length // step) for length, step in zip(self.shape, self.shard, strict=True))
        return depth, height, width

    def __len__(self) -> int:
        depth, height, width = self.counts
        return depth * height * width

    def index(self, number: int) -> tuple[int, int, int]:
        """Where a block lies among the others, (z, y, x)."""
        _, height, width = self.counts
        return number // (height * width), number // width % height, number % width

    def __getitem__(self, number: int) -> VolumeBlock:
        (first, last), (top, bottom), (left, right) = (
            (position * step, min((position + 1) * step, length))
            for position, step, length in zip(self.index(number), self.shard, self.shape, strict=True)
        )
        return VolumeBlock(number, first, last, Block(top, bottom, left, right))
