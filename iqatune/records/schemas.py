"""The JSON Schema of every document that is written: `python -m iqatune.records.schemas FOLDER` writes them."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from iqatune.records.base import Model
from iqatune.records.bench import BENCH_SCHEMA, Bench
from iqatune.records.cache import CACHE_SCHEMA, CacheContents
from iqatune.records.diagnosis import DIAGNOSIS_SCHEMA, Diagnosis
from iqatune.records.distances import DISTANCES_SCHEMA, Distances
from iqatune.records.evaluation import EVALUATION_SCHEMA, EVALUATIONS_SCHEMA, Evaluation, Evaluations
from iqatune.records.export import EXPORT_FORMAT, FUSED_FORMAT, FusedHeader, Header
from iqatune.records.extraction import EXTRACTION, EXTRACTIONS, Extraction, Extractions
from iqatune.records.frontier import FRONTIER_SCHEMA, Frontier
from iqatune.records.fusion import FUSION_SCHEMA, Fusion
from iqatune.records.plan import PLAN_SCHEMA, Plan
from iqatune.records.replay import REPLAY_SCHEMA, Replay
from iqatune.records.report import REPORT_SCHEMA, WrittenReport
from iqatune.records.result import RESULT_SCHEMA, Result
from iqatune.records.robust import ROBUST_SCHEMA, Robust
from iqatune.records.sweep import SWEEP_SCHEMA, Sweep
from iqatune.records.trials import TRIAL_LINE, TrialLine
from iqatune.runtime.files import write_text

DOCUMENTS: Final[dict[str, tuple[str, type[Model]]]] = {
    "result": (RESULT_SCHEMA, Result),
    "trial": (TRIAL_LINE, TrialLine),
    "fusion": (FUSION_SCHEMA, Fusion),
    "sweep": (SWEEP_SCHEMA, Sweep),
    "evaluation": (EVALUATION_SCHEMA, Evaluation),
    "evaluations": (EVALUATIONS_SCHEMA, Evaluations),
    "robust": (ROBUST_SCHEMA, Robust),
    "scores": (DISTANCES_SCHEMA, Distances),
    "frontier": (FRONTIER_SCHEMA, Frontier),
    "report": (REPORT_SCHEMA, WrittenReport),
    "replay": (REPLAY_SCHEMA, Replay),
    "doctor": (DIAGNOSIS_SCHEMA, Diagnosis),
    "cache": (CACHE_SCHEMA, CacheContents),
    "bench": (BENCH_SCHEMA, Bench),
    "plan": (PLAN_SCHEMA, Plan),
    "extraction": (EXTRACTION, Extraction),
    "extractions": (EXTRACTIONS, Extractions),
    "metric": (EXPORT_FORMAT, Header),
    "fused-metric": (FUSED_FORMAT, FusedHeader),
}
"""By the name of the schema's file, NAME.schema.json: what the document calls itself, and its model."""


def json_schema(name: str) -> str:
    """The JSON Schema of a document, as text."""
    identifier, model = DOCUMENTS[name]
    described: dict[str, Any] = TypeAdapter(model).json_schema(by_alias=True)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier, **described}
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for document in DOCUMENTS:
        write_text(Path(sys.argv[1]) / f"{document}.schema.json", json_schema(document))
