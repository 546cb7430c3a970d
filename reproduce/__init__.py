"""The experiments: the paper's table, studies and benchmarks."""
