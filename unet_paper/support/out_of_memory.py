"""Telling that memory has run out from other failures."""

PYTORCH_SAYS = ("alloc", "out of memory")  # "DefaultCPUAllocator: can't allocate memory", "MPS backend out of memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or one of PyTorch's allocators found too little memory; PyTorch is not imported for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch.OutOfMemoryError
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in PYTORCH_SAYS)
