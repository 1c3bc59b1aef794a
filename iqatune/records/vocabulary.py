"""The words that options and records choose from. The command line offers these, in this order."""

from typing import Final, Literal

Better = Literal["higher", "lower"]
"""Which published score is the better quality."""

Precision = Literal["fp32", "bf16", "fp16"]
"""Of the backbone's arithmetic."""

Pooling = Literal["auto", "native", "l2"]
"""The backbone's own max pooling, or L2 pooling in its place; `auto` is the zoo's choice."""

ResolvedPooling = Literal["native", "l2"]
"""What `Pooling` came to."""

Structure = Literal["covariance", "stddev"]
"""How s compares: by the covariance (DISTS), or by the product of standard deviations (Mady et al. 2024)."""

C1: Final = 1e-6
C2: Final = 1e-6
"""The constants of l and s, unless a protocol says otherwise."""

COLUMNS: Final = "columns"
"""The space of a features file: one number a column."""

TEXTURES: Final = "scikit-image"
"""The textures in the wheel of scikit-image, in the place of a folder of one's own."""

Direction = Literal["distance", "quality"]
"""Which way a column of a features file runs: a distance rises as quality falls."""

Engine = Literal["local", "ray"]
"""Where samples are evaluated: in this process, or under Ray Tune."""

ChosenBy = Literal["random", "initial", "model", "local", "fit"]
"""Where a configuration came from: drawn blindly; a fixed start point or design (Sobol, the uniform weights); a model
of all results so far; a step from the best results so far; fitted to the pairs."""

ObjectiveName = Literal["srcc", "krcc", "plcc", "reference-srcc", "worst-distortion"]
"""What a search maximises: SRCC, KRCC or PLCC over all pairs, the mean SRCC within references, or the lowest SRCC among
distortions."""

Stop = Literal["auto"]
"""What ends a search before its last sample: the rule of `search.stopping`."""

PRETRAINED: Final = "pretrained"
RANDOM: Final = "random"
"""Parameters of a backbone that are in no file: published ones, and such that a seed gives."""

FIT: Final = "fit"
"""The searcher that draws no samples."""

MUTUAL: Final = "mutual"
"""The same for two views."""

Grouping = Literal["distortion", "reference", "level"]
"""What pairs are grouped by where figures are given group by group."""

Split = Literal["references", "sets", "distortions", "column"]
"""What a fold holds out: references; a data set; a distortion; what a column of the pairs or features file says."""

Verdict = Literal["helped", "not shown to help", "harmed"]
"""What the folds say of tuning on references never seen, against the uniform weights."""

MetricKind = Literal["tuned", "uniform", "baseline", "scores"]
"""What a scored metric is: tuned weights, uniform weights of the same backbone, a metric that is measured as it is, or
one of which there is a file of scores."""

Severity = Literal["ok", "note", "warning", "problem"]
"""How bad a finding is: a note is worth knowing, a warning may be one's wish, a problem makes numbers wrong or work
fail."""

ScoredAs = Literal["distance", "score"]
"""What images get: D, or also the score that people would give."""
