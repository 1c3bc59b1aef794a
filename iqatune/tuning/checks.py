"""What is refused of a run before any work is done."""

from iqatune.backbones.zoo import find as find_backbone
from iqatune.datasets.pairs_csv import UNNAMED
from iqatune.datasets.registry import DATASETS
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.metric.spaces import tilts_of
from iqatune.records.options import PAIRS_SET, Run
from iqatune.records.vocabulary import COLUMNS
from iqatune.search.searchers.registry import find as find_searcher

OF_A_BACKBONE = ("backbone_weights", "pooling", "resize", "precision", "structure", "c1", "c2")
"""Options that a features file makes no use of. A device may be that of a whole sweep."""


def checked_run(run: Run) -> Run:
    """The run with the name of its searcher as its library spells it; a `Run` itself keeps its numbers in range.

    Raises:
        InputError: for a name that is unknown, or options that do not go together: before any work is done.
    """
    searcher = find_searcher(run.searcher)
    if searcher.fits and run.stop is not None:
        raise InputError(
            f"`stop` {run.stop}: {searcher.name} draws no samples, and its path ends by itself; leave it out"
        )
    _check_sparse(run, fits=searcher.fits)
    if searcher.wants_views and not run.view:
        raise InputError(
            f"`searcher` {searcher.name}: fits two views of each image; name one or two with `view`, as resize:192"
        )
    if searcher.wants_views and run.texture_weight:
        raise InputError(
            f"`texture_weight` {run.texture_weight:g}: {searcher.name} has no texture term; take `searcher` fit"
        )
    if searcher.wants_views and (run.penalty or run.last_stage is not None):
        name = "penalty" if run.penalty else "last_stage"
        raise InputError(f"`{name}`: {searcher.name} leaves no stages out; take `searcher` fit, or a view of stages")
    if run.unlabelled is not None and not searcher.wants_views:
        raise InputError(
            f"`unlabelled` {run.unlabelled}: {searcher.name} does not use images without scores; leave it out, or "
            "take `searcher` mutual"
        )
    if run.features is None:
        _check_backbone(run)
    else:
        _check_features(run)
    if run.engine == "ray" and run.objective != "srcc":
        raise InputError(f"`objective` {run.objective}: `engine` ray maximises only the SRCC; leave `engine` out")
    if run.engine == "ray" and run.texture_weight:
        raise InputError(
            f"`texture_weight` {run.texture_weight:g}: `engine` ray maximises only the SRCC; leave `engine` out"
        )
    if run.engine == "local" and (run.address or run.concurrency > 1):
        raise InputError("`address` and `concurrency` need `engine` ray; leave them out, or add it")
    _check_split(run)
    return run.model_copy(update={"searcher": searcher.name})


def _check_sparse(run: Run, *, fits: bool) -> None:
    """Refuse what makes a fit leave stages out where nothing is fitted, or there are no stages."""
    given = [name for name in ("penalty", "stage_costs", "last_stage") if getattr(run, name) not in (None, 0.0, ())]
    if given and not fits:
        raise InputError(f"`{given[0]}`: only possible with `searcher` fit; leave it out")
    if given and run.features is not None:
        raise InputError(f"`{given[0]}`: needs the stages of a backbone, and `features` has none; leave it out")
    if bool(run.penalty) != bool(run.stage_costs):
        raise InputError("`penalty` and `stage_costs`: belong together; give both, or neither")


def check_stages(run: Run, channels: tuple[int, ...]) -> None:
    """Refuse costs of another number of stages than the backbone has.

    Raises:
        InputError: saying how many it has.
    """
    stages = len(channels)
    if run.stage_costs and len(run.stage_costs) != stages:
        raise InputError(
            f"`stage_costs`: {len(run.stage_costs)} numbers, and {run.backbone} has {stages} stages, the image's first"
        )
    if run.stage_costs and not 0 == run.stage_costs[0] < min(run.stage_costs[1:], default=1.0):
        raise InputError("`stage_costs`: the image costs 0, and every other stage more; correct them")
    if run.last_stage is not None and run.last_stage >= stages:
        raise InputError(f"`last_stage` {run.last_stage}: the last stage of {run.backbone} is {stages - 1}")


def _check_backbone(run: Run) -> None:
    if run.feature_columns:
        raise InputError("`feature_columns`: only possible with `features` FILE.csv; name the file")
    if not run.backbone:
        raise InputError("`backbone`: needed; name one, or give `features` FILE.csv in its place")
    find_backbone(run.backbone)
    tilts_of(run.space)
    seen = [(branch.backbone, branch.stages) for branch in run.branches]
    if len(set(seen)) < len(seen):
        raise InputError(f"`view` {run.view[-1]}: is the same as the other one; name another")
    for branch in run.branches:
        channels = find_backbone(branch.backbone.backbone).channels
        if branch.stages and channels and branch.stages[1] > len(channels):
            raise InputError(
                f"`view` {branch.view}: {run.backbone} has the stages 0 to {len(channels)}; choose among them"
            )


def _check_features(run: Run) -> None:
    """Refuse beside a features file what is of a backbone."""
    if run.backbone:
        raise InputError(f"`features` {run.features}: not possible together with a backbone; leave out one of the two")
    if run.view:
        raise InputError(f"`view` {run.view[0]}: needs images, and `features` has none; leave it out")
    if run.space != COLUMNS:
        raise InputError(
            f"`space` {run.space}: needs a backbone; with `features` the only space is columns, leave it out"
        )
    if run.textures is not None:
        raise InputError(f"`textures` {run.textures}: need images, and `features` has none; leave them out")
    for name in OF_A_BACKBONE:
        if getattr(run, name) != Run.model_fields[name].default:
            raise InputError(f"`{name}` {getattr(run, name)}: needs a backbone, and `features` has none; leave it out")


def _check_split(run: Run) -> None:
    asked = [name for name in ("leave_one_set_out", "leave_one_distortion_out", "split_column") if getattr(run, name)]
    if asked and run.folds != Run.model_fields["folds"].default:
        raise InputError(f"`{asked[0]}` and `folds` {run.folds} both say what is held out; leave one out")
    if len(asked) > 1:
        raise InputError(f"`{asked[0]}` and `{asked[1]}` both say what is held out; leave one out")
    if run.leave_one_set_out and not run.datasets:
        raise InputError("`leave_one_set_out`: needs several data sets; name another `dataset`")
    if run.split_column is not None and (run.datasets or not _has_columns(run.dataset)):
        raise InputError(
            f"`split_column` {run.split_column}: needs one `dataset` whose label file has columns; leave it out"
        )


def _has_columns(dataset: str) -> bool:
    """Whether a data set is read from a file; what is in it, its reader says."""
    return dataset == PAIRS_SET or bool(DATASETS.find(dataset).info.labels)


def check_objective(run: Run, table: PairTable) -> None:
    """Refuse an objective that the pairs have no labels for.

    Raises:
        InputError: when `worst-distortion` meets pairs without distortions.
    """
    unlabelled = [each for each in table.sets or (table,) if {pair.distortion for pair in each.pairs} == {UNNAMED}]
    if run.objective == "worst-distortion" and unlabelled:
        raise InputError(
            "`objective` worst-distortion: the pairs have no distortion labels; add the column `distortion` to the CSV "
            "file, or take another objective"
        )
