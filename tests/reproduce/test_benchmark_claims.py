"""What the pages say of the time of a training step is what the benchmark's record says, of what git holds."""

import numpy as np

from reproduce.benchmarks.measuring import ratio
from reproduce.benchmarks.record import WITHOUT_BFLOAT16
from reproduce.benchmarks.steps import BASELINE
from reproduce.studies import archive
from unet_paper.metrics.registry import TABLE_1_METRICS
from unet_paper.support.json_files import read_json

PYTORCH = "{}, PyTorch's kernels"


def steps(committed, part):
    """Network and two programs -> the first one's time divided by the other's, as its table has it."""
    seconds = read_json(committed / "results/benchmarks/cpu.json")[part]["seconds"]
    return lambda network, ours, other: ratio(seconds[network][ours], seconds[network][other]).split()[0]


def text_of(page):
    return " ".join(page.read_text().split())


def test_with_bfloat16(committed):
    found, text = steps(committed, "steps"), text_of(committed / "reproduce/README.md")
    of_precision = [found(network, "bfloat16", "float32") for network in ("quick", "full")]
    assert f"a step takes {of_precision[0]} (`quick`) and {of_precision[1]} (full network) of its time in" in text
    of_kernels = [found(network, "bfloat16", PYTORCH.format("bfloat16")) for network in ("quick", "full")]
    assert f"gain nothing visible beside PyTorch's on this processor ({of_kernels[0]} and {of_kernels[1]})" in text
    beside = [found(network, "bfloat16", BASELINE) for network in ("full", "quick")]
    assert f"to {beside[0]} (full network) or 0.43 to {beside[1]} (`quick`) of the time of the baseline" in text
    longer = 1 / float(of_precision[0])
    assert f"in float32 there [{longer:.1f} times as long](" in text_of(committed / "README.md")


def test_with_avx2_alone(committed):
    part = read_json(committed / "results/benchmarks/cpu.json")[WITHOUT_BFLOAT16]
    assert part["instructions"] == "AVX2" and not part["bfloat16"] and not part["code"]["changed"]
    found, text = steps(committed, WITHOUT_BFLOAT16), text_of(committed / "reproduce/README.md")
    beside = [found(network, "float32", BASELINE) for network in ("quick", "full")]
    assert f"in float32 takes {beside[0]} (`quick`) and {beside[1]} (full network) of the baseline's time" in text
    of_kernels = [found(network, "float32", PYTORCH.format("float32")) for network in ("quick", "full")]
    assert f"it takes {of_kernels[0]} and {of_kernels[1]} of its time with PyTorch's" in text


def test_the_time_of_quick_and_what_float32_does_to_its_errors(committed, other_seeds):
    usual, exact = (other_seeds[group] for group in ("fold 6/6", "fold 6/6, float32"))
    assert {run.record.first.precision for run in usual} == {"bfloat16"}
    assert {run.record.first.precision for run in exact} == {"float32"}
    assert {session.hardware.threads for run in usual + exact for session in run.record.sessions} == {1}
    minutes, of_avx2 = ([run.record.times.training_cpu_seconds / 60 for run in runs] for runs in (usual, exact))
    readme, text = (text_of(committed / page) for page in ("README.md", "results/README.md"))
    longest = max(
        run.record.times.training_cpu_seconds / 60
        for run in archive.read(committed / "results/isbi/budgets")  # on another machine of the same name
        if run.name.startswith("16-channels-Adam") and run.record.config.steps == 2500
    )
    shortest = min(
        run.record.times.training_cpu_seconds / 60
        for folder, named in (("seeds-adam", "seed-"), ("folds-adam", "fold-"), ("ablations-adam", "as-the-paper-"))
        for run in archive.read(committed / "results/isbi" / folder)
        if run.name.startswith(named)
    )
    assert f"{shortest:.0f} to {longest:.0f} CPU minutes on one core with AVX-512 bf16" in readme
    of_folds = [
        run.record.times.training_cpu_seconds / 60 for run in archive.read(committed / "results/isbi/folds-adam")
    ]
    assert f"on the machine of the five folds 2,500 tiles took {np.mean(of_folds):.0f}." in text
    (told,) = {f"with AVX2 alone [{each:.0f}](results/isbi/seeds-adam/records.jsonl)" for each in of_avx2}
    assert f"{told}; 1 GiB |" in readme
    assert all(0.8 < run.record.times.training_peak_mib / 1024 < 1.1 for run in usual)
    pairs = list(zip(usual, exact, strict=False))
    assert [one.record.config.seed for one, _ in pairs] == [two.record.config.seed for _, two in pairs] == [5, 6]
    in_bfloat16, in_float32 = (
        [" and ".join(f"{run.primary.value(metric):.{metric.digits}f}" for run in runs) for metric in TABLE_1_METRICS]
        for runs in zip(*pairs, strict=True)
    )
    assert "**In float32 two of them differ by less than seeds do**" in text
    assert f"have {', '.join(in_float32)} when trained in it, and {', '.join(in_bfloat16)} in bfloat16." in text
    for metric in TABLE_1_METRICS:
        ours, others = ([run.primary.value(metric) for run in runs] for runs in (exact, usual))
        moved = [abs(one - other) for one, other in zip(ours, others, strict=False)]
        assert max(moved) < np.std(others, ddof=1)
