"""The table of a study: a row for each group of runs, and how far each lies from the control."""

from collections.abc import Mapping, Sequence

from reproduce.studies import paired
from reproduce.studies.archive import StudyRun
from reproduce.studies.catalogue import STUDIES, Study, runs_of, usual_seeds
from reproduce.studies.comparisons import compared, zeros
from reproduce.studies.definitions import Run
from reproduce.studies.groups import collect, count, seeds_of
from reproduce.studies.statistics import mean_and_deviation
from unet_paper.cli.settings import changed_config
from unet_paper.config import PROFILES, Config, as_text, without_effect
from unet_paper.metrics.registry import CHALLENGE_METRICS
from unet_paper.report.table import Table
from unet_paper.runs.diagnostics import INACTIVE, LOST, are_inactive, lost_levels
from unet_paper.runs.record import RunRecord

OMITTED = ("seed", "checkpoint_every")  # from a study's command: the runs have their own, and it changes no result
LEVELS = "levels lost"
LEVELS_NOTE = (
    f"{LEVELS}: how many of the deepest levels no longer reach the output, whose probabilities change by less than "
    f"{LOST:g} on average when the map of the up-convolution above them is flat."
)


def command(study: str, name: str, record: RunRecord, seeds: int | None = None, optimiser: str | None = None) -> str:
    """The command that makes a study, of so many seeds (None: as many as usual) and by the optimiser asked for, as its
    run `name`, of this record, was made.
    """
    config, of_study = record.config, STUDIES[study]
    words = ["python -m reproduce.studies", study]
    planned = {run.name: run for run in runs_of(study, seeds or usual_seeds(study), config.profile, optimiser)}[name]
    if planned.profile is None and config.profile != "quick":
        words.append(f"--profile {config.profile}")
    if optimiser and of_study.takes_optimiser:
        words.append(f"--optimiser {optimiser}")
    changes = [f"{setting}={value}" for setting, value in planned.changes.items()]
    words += options_for(config, changed_config(PROFILES[planned.profile or config.profile], changes))
    if seeds not in (None, usual_seeds(study)) and len(runs_of(study, 1)) < len(runs_of(study, 2)):
        words.append(f"--seeds {seeds}")
    return " ".join(words)


def options_for(config: Config, usual: Config) -> list[str]:
    """The --set options that make of a study's usual settings those of a run."""
    words, of_study = [], usual.as_dict()
    for setting, value in config.as_dict().items():
        by_minutes = setting == "steps" and config.minutes  # as many as there was time for
        is_idle = bool(without_effect(config, [setting]))
        if value != of_study[setting] and setting not in OMITTED and not by_minutes and not is_idle:
            words.append(f"--set {setting}={as_text(value)}")
    return words


def title(study: str, record: RunRecord) -> str:
    """What the page of a study is called."""
    if not STUDIES[study].takes_optimiser:
        return study
    return f"{study}, with {'Adam' if record.config.optimiser == 'adam' else 'SGD'}"


def what_was_trained(runs: Sequence[Run], finished: Mapping[str, StudyRun]) -> str:
    """The network and the length of the first run; of every profile's, where the runs bring their own."""
    configs = [finished[run.name].record.config for run in runs]
    if runs[0].profile is None:
        return f"{configs[0].base_channels} base channels, {configs[0].steps:,} steps"
    each = (f"{c.base_channels} base channels, {c.steps:,} steps with tiles of {c.tile_size} px" for c in configs)
    return "; ".join(dict.fromkeys(each))


def table(
    study: str,
    runs: Sequence[Run],
    finished: Mapping[str, StudyRun],
    planned: int,
    diverged: Sequence[str],
    optimiser: str | None = None,
) -> str:
    """README.md of a study.

    runs : those that are done, the study's first among them; finished : by name; planned : how many there will
    be; diverged : names of those that ended before their time; optimiser : that was asked for
    """
    first = finished[runs[0].name].record
    primary, protocol = first.config.primary, first.protocol
    of_study = STUDIES[study]
    numbers = range(1, planned + 1)  # of seeds; the right one has as many runs
    asked = next((n for n in numbers if len(runs_of(study, n, first.config.profile, optimiser)) >= planned), 1)
    made_by = command(study, runs[0].name, first, asked, optimiser)
    scored, trained = len(protocol.scored_sections), len(protocol.training_sections)
    left_out = f", {len(protocol.left_out)} more left out" if protocol.left_out else ""
    own, inactive = collect(runs, finished), collect(runs, finished, inactive=True)
    so_far = f", {len(runs)} of {planned} so far" if len(runs) + len(diverged) < planned else ""
    profile = "" if runs[0].profile else f"; profile {first.title_without('seed')}"
    lines = [
        f"# {title(study, first)}",
        "",
        f"Written by `{made_by}` from the records of its runs{so_far}. Data: {first.dataset}; "
        f"{what_was_trained(runs, finished)}; scored on "
        f"held-out sections of the training stack ({scored} of {scored + trained}{left_out}){profile}. "
        "Mean ± standard deviation over the runs of a "
        f"row{of_study.note_on_rows}. Every run: [runs.csv](runs.csv), "
        "[histories.csv](histories.csv), and whole in [records.jsonl](records.jsonl).",
    ]
    if of_study.control:
        ours = "width, length and optimiser" if first.config.optimiser == "adam" else "width and length"
        lines += ["", f"`{of_study.control}` is this recipe with nothing left out; its {ours} are ours."]
    rows = []
    for group, values in own.items():
        for tta, metrics in values.items():
            runs_of_row = str(count(values)) + (f" and {count(inactive[group])} inactive" if group in inactive else "")
            errors = [mean_and_deviation(metrics[metric.key], metric.digits) for metric in CHALLENGE_METRICS]
            rows.append([group, runs_of_row, tta, *errors])
    titles = [metric.title for metric in CHALLENGE_METRICS]
    lines += ["", Table(["what", "runs", "TTA", *titles], rows).to_markdown()]
    if inactive:
        records = [finished[run.name].record for run in runs]
        names = [run.name for run in runs if are_inactive(finished[run.name].record)]
        unknown = sum(record.up_convolution_effect is None for record in records)
        lines += [
            "",
            f"Inactive deep levels, and in no mean: {', '.join(names)}. ReLUs have died between the network's first "
            f"level and the others, which no longer reach the output: its probabilities change by less than {INACTIVE} "
            "on average when the map of the last up-convolution is flat."
            + (f" {unknown} of the {len(runs)} runs were trained before this was measured." if unknown else ""),
        ]
    if diverged:
        lines += ["", f"Diverged, twice from their last checkpoint, and in no row: {', '.join(diverged)}."]
    if len(runs) > 1:
        lines += [
            "",
            *(compared(own, seeds_of(runs, finished), runs, primary) if of_study.control else []),
            *_paired(of_study, runs, finished, primary),
            *zeros(runs, finished, primary),
            *each(runs, finished),
        ]
    return "\n".join(lines) + "\n"


def _paired(study: Study, runs: Sequence[Run], finished: Mapping[str, StudyRun], primary: str) -> list[str]:
    """Lines on the pairs of a study that has them."""
    control = study.paired_with
    return [] if control is None else paired.text(paired.pairs_of(runs, finished, control), control, primary)


def each(runs: Sequence[Run], finished: Mapping[str, StudyRun]) -> list[str]:
    """A row for every run by itself, its primary test-time augmentation."""
    effects = [finished[run.name].record.up_convolution_effect for run in runs]
    is_known = any(effect is not None for effect in effects)
    rows = []
    for run, effect in zip(runs, effects, strict=True):
        record, scores = finished[run.name].record, finished[run.name].primary
        name = f"{run.name} (inactive)" if are_inactive(record) else run.name
        metrics = [metric.formatted(scores.value(metric)) for metric in CHALLENGE_METRICS]
        hardware = record.first.hardware
        processor = hardware.processor if hardware.device == "cpu" else hardware.device
        if record.first.precision == "float32" and record.config.bfloat16:  # which the processor does not have
            processor += " in float32"
        lost = ["-" if effect is None else str(lost_levels(effect))] if is_known else []
        rows.append([name, f"fold {run.fold}", str(record.config.seed), *metrics, processor, *lost])
    titles = [metric.title for metric in CHALLENGE_METRICS]
    columns = ["run", "scored on", "seed", *titles, "trained on", *([LEVELS] if is_known else [])]
    note = ["", LEVELS_NOTE] if is_known else []
    return ["Each run, with its primary TTA:", "", Table(columns, rows).to_markdown(), *note]
