"""The paper's table 1 with a run's rows below, and what was scored."""

from collections.abc import Mapping, Sequence

from unet_paper.io.image_folder import named
from unet_paper.metrics.registry import RAND_ERROR_PAIRS, TABLE_1_METRICS, V_INFO, V_RAND
from unet_paper.metrics.scores import Scores
from unet_paper.report.document import Block, Document
from unet_paper.report.table import Cell, Table
from unet_paper.runs.record import RunRecord
from unet_paper.support.words import counted

# Table 1 of the paper (6 March 2015): rank, group, warping error, Rand error, pixel error.
TABLE_1 = (
    ("", "human values", 0.000005, 0.0021, 0.0010),
    ("1", "u-net", 0.000353, 0.0382, 0.0611),
    ("2", "DIVE-SCI", 0.000355, 0.0305, 0.0584),
    ("3", "IDSIA", 0.000420, 0.0504, 0.0613),
    ("4", "DIVE", 0.000430, 0.0545, 0.0582),
    ("10", "IDSIA-SCI", 0.000653, 0.0189, 0.1027),
)
FURTHER_METRICS = (RAND_ERROR_PAIRS, V_RAND, V_INFO)
TTA_NAMES = {"none": "one pass", "rot7": "mean of 7 rotations", "d4": "mean of 8 flips and quarter turns"}
PAPERS_BASE_CHANNELS = 64
SMOKE_NOTE = "**Profile `smoke`: it only shows that all parts work together; its scores mean nothing.**"


def run_document(record: RunRecord, scores: Mapping[str, Scores]) -> Document:
    """What table1.md holds: which data, the paper's rows and the run's, and how to read them.

    scores : by test-time augmentation.
    """
    primary = record.config.primary
    blocks: list[Block] = [SMOKE_NOTE] if record.config.profile == "smoke" else []
    blocks += [what_was_scored(record, bool(scores)), table_1(record, scores)]
    complete = {tta: values for tta, values in scores.items() if values.is_complete}
    if complete:
        blocks += [
            "Further metrics of the run, and the pixels that make up the warping error. Rand error, pairs: as the "
            "challenge's first server took it. V_rand and V_info: its metrics of 2016, after thinning; best 1.",
            further_metrics(complete),
        ]
    if not scores:
        blocks.append(f"This run has no metrics: {why_unscored(record)}.")
    reading = (
        "The paper's rows are the challenge server's, on the 30 test sections. Each error is taken at its own best "
        "threshold, as the challenge did."
    )
    if primary in scores:
        reading += (
            f" The run's bold row ({primary}) is its result: the primary test-time augmentation, fixed before any run. "
            "The other rows show what test-time augmentation does."
        )
    blocks.append(reading)
    return Document(f"Table 1 of the paper, and the run `{record.name}`", tuple(blocks))


def table_1(record: RunRecord, scores: Mapping[str, Scores]) -> Table:
    """The paper's rows, and one of the run for each test-time augmentation; the primary one's is emphasised."""
    which = f"{record.dataset}, {record.profile_title}, {record.protocol}"
    rows: list[Sequence[Cell]] = [
        ("", f"this run ({which}), {TTA_NAMES[tta]}", *(values.value(metric) for metric in TABLE_1_METRICS))
        for tta, values in scores.items()
    ]
    primary = [len(TABLE_1) + number for number, tta in enumerate(scores) if tta == record.config.primary]
    return Table(("rank", "group", *TABLE_1_METRICS), (*TABLE_1, *rows), emphasised_rows=primary)


def further_metrics(scores: Mapping[str, Scores]) -> Table:
    """The metrics that the paper's table 1 lacks, of complete scores."""
    rows: list[Sequence[Cell]] = []
    for tta, values in scores.items():
        counts = values.warping_counts_at_best
        assert counts is not None, "of complete scores"
        rows.append((tta, *(values.value(metric) for metric in FURTHER_METRICS), counts.split, counts.merge))
    return Table(("TTA", *FURTHER_METRICS, "split pixels", "merger pixels"), rows)


def what_was_scored(record: RunRecord, has_scores: bool = True) -> str:
    """One paragraph: which data, which profile, which protocol."""
    doing = "scored on" if has_scores else "not yet scored on"
    protocol = record.protocol
    training_sections, scored = len(protocol.training_sections), len(protocol.scored_sections)
    dataset = {
        "isbi": "the ISBI 2012 stack (contents verified)",
        "phantom": "**the built-in phantom: NOT the ISBI stack, not comparable with the paper's rows**",
    }.get(record.dataset, "the user's own")
    every = "" if protocol.left_out or training_sections == 1 else "all "
    not_paper = "" if record.dataset == "own" else ", not the paper's test"
    if protocol.kind == "fold":
        first, last = protocol.scored_sections[0], protocol.scored_sections[-1]
        numbers = f"{f'section {first}' if first == last else f'sections {first} to {last}'}, counted from 0"
        which = named(protocol.names(protocol.scored_sections)) if protocol.files else numbers
        what = (
            f"Trained on {counted(training_sections, 'section')}, {doing} the {scored} held out as fold "
            f"{protocol.fold} ({which}): **a validation fold of the training stack{not_paper}**."
        )
    elif protocol.kind == "test":
        how = {"isbi": ", as the challenge did", "own": ""}.get(record.dataset, ", with the challenge's metrics")
        what = (
            f"Trained on {every}{counted(training_sections, 'training section')}, {doing} the "
            f"{counted(scored, 'test section')}{how}."
        )
    else:
        what = f"Trained on {every}{counted(training_sections, 'section')}; the run itself scored nothing."
    if protocol.left_out:
        what += f" Sections {', '.join(map(str, protocol.left_out))} were left out of the training."
    return f"Data: {dataset}. Profile: `{record.profile_title}` ({_profile_note(record)}). {what}"


def _profile_note(record: RunRecord) -> str:
    note = f"{record.config.base_channels} base channels, {counted(record.config.steps, 'step')}"
    if record.config.base_channels != PAPERS_BASE_CHANNELS:
        note += f"; a reduced network, the paper's has {PAPERS_BASE_CHANNELS}"
    return note


def why_unscored(record: RunRecord) -> str:
    """Why a run has no metrics, and what to do about it."""
    if record.protocol.kind == "none":
        return "no sections with a truth were held out, and there was no test stack with a truth"
    primary = record.config.primary
    return (
        f"predict evaluation-volume as probability-{primary}, score that into scores.json, report (`train` ended with "
        "these commands, and with --resume prints them again)"
    )
