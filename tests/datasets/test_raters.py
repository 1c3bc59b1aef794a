"""Rows of one pair: repeated, or one for each rater."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import yaml

import iqatune
from iqatune.errors import InputError
from iqatune.tuning.grid import cells_of

SEARCH = ("--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random", "--samples", 3)


@pytest.fixture
def ratings(small_set: Any, tmp_path: Path) -> tuple[Path, Path]:
    """A CSV with a row for each of one to five raters of every pair, shuffled, and one of their means."""
    pairs = pandas.read_csv(small_set.labels)
    for column in ("reference", "distorted"):
        pairs[column] = [str(small_set.folder / name) for name in pairs[column]]
    rng = np.random.default_rng(3)
    raters = pairs.loc[pairs.index.repeat(rng.integers(1, 6, len(pairs)))].copy()
    raters["score"] += np.round(rng.normal(0, 1.5, len(raters)), 2)
    raters = raters.sample(frac=1, random_state=5)
    by_rater, means = tmp_path / "raters.csv", tmp_path / "means.csv"
    raters.to_csv(by_rater, index=False)
    raters.groupby(list(pairs.columns.drop("score")), sort=False, as_index=False).score.mean().to_csv(
        means, index=False
    )
    return by_rater, means


def test_a_pairs_score_is_the_mean_of_its_raters_and_keeps_their_deviation(ratings: tuple[Path, Path]) -> None:
    rows = pandas.read_csv(ratings[0])
    expected = rows.groupby("distorted", sort=False).score.agg(["mean", "std", "count"])
    table = iqatune.load_pairs("csv", pairs=ratings[0], better="lower", raters=True)
    assert [str(pair.distorted) for pair in table.pairs] == list(expected.index)
    np.testing.assert_allclose([pair.score for pair in table.pairs], expected["mean"], rtol=1e-14)
    np.testing.assert_allclose(table.quality, -expected["mean"], rtol=1e-14)
    assert [len(pair.ratings) for pair in table.pairs] == list(expected["count"])
    deviations = [np.nan if pair.score_std is None else pair.score_std for pair in table.pairs]
    np.testing.assert_allclose(deviations, expected["std"], rtol=1e-12)
    assert (len(table), table.ratings) == (48, len(rows))
    assert iqatune.load_pairs("csv", pairs=ratings[0], better="lower").ratings is None


def _record(ran: Any) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    record: dict[str, Any] = json.loads(ran.out)
    return record


def test_a_search_over_raters_is_one_over_their_means(
    ratings: tuple[Path, Path], iqatune: Callable[..., Any], small_cache: Path
) -> None:
    options = ("--dataset", "csv", "--better", "higher", *SEARCH, "--cache-dir", small_cache, "--json")
    averaged = iqatune("search", *options, "--pairs", ratings[0], "--raters", "--output", "a")
    means = iqatune("search", *options, "--pairs", ratings[1], "--output", "b")
    assert "repeat a pair" not in averaged.err + means.err
    found, expected = _record(averaged), _record(means)
    assert found["baselines"]["uniform"] == pytest.approx(expected["baselines"]["uniform"], rel=1e-12)
    for part in ("best", "confidence"):
        assert found[part]["srcc"] == expected[part]["srcc"]
    assert found["held_out"]["per_fold"] == expected["held_out"]["per_fold"]
    assert found["run"]["raters"] is True
    assert found["protocol"]["pairs"] == 48
    assert found["protocol"]["ratings"] == len(pandas.read_csv(ratings[0]))
    assert (expected["run"]["raters"], expected["protocol"]["ratings"]) == (False, None)
    again = iqatune("replay", next(Path("a").rglob("result.json")), "--cache-dir", small_cache)
    assert again.code == 0, again.out


def test_rows_that_repeat_a_pair_count_and_are_told(
    small_set: Any, iqatune: Callable[..., Any], small_cache: Path
) -> None:
    labels = small_set.folder / "doubled.csv"
    lines = small_set.labels.read_text().splitlines()
    other = lines[9].replace(",noise,", "1,noise,").replace(",blur,", "1,blur,")
    labels.write_text("\n".join([*lines, lines[4], other, "./" + lines[4].upper().replace("NOISE,", "noise,")]))
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--cache-dir", small_cache)
    ran = iqatune("extract", *options, *SEARCH[:4], "--json")
    examined = iqatune("doctor", *options[:-2], "--only", "data", "--json")
    labels.unlink()
    first = lines[4].split(",")[1]
    assert json.loads(ran.out)["pairs"] == 51
    says = (
        f"doubled.csv: 3 rows repeat a pair (another score in 1), the first {first} of ref0.png; each counts as a pair"
    )
    assert f"warning: {says}" in ran.err
    assert "--raters" in ran.err
    findings = [(found["check"], found["level"], found["says"]) for found in json.loads(examined.out)["findings"]]
    assert [level for check, level, text in findings if check == "rows" and says in text] == ["problem"]


def test_files_of_the_same_bytes_under_other_names_are_no_repetition(
    small_set: Any, iqatune: Callable[..., Any], small_cache: Path, tmp_path: Path
) -> None:
    """LIVE has four groups of JPEG images that are the same file, with scores of their own."""
    twin = small_set.folder / "twin.png"
    twin.write_bytes((small_set.folder / "noise0_2.png").read_bytes())
    labels = small_set.folder / "twins.csv"
    labels.write_text(small_set.labels.read_text() + "ref0.png,twin.png,5.5,noise,2\n")
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--cache-dir", small_cache, "--json")
    plain = iqatune("extract", *options, *SEARCH[:4])
    averaged = iqatune("extract", *options, *SEARCH[:4], "--raters")
    twin.unlink()
    labels.unlink()
    assert plain.err.count("warning") == averaged.err.count("warning") == 0
    assert json.loads(plain.out)["pairs"] == json.loads(averaged.out)["pairs"] == 49


@pytest.mark.parametrize("column", ["distortion", "level"])
def test_raters_who_name_other_distortions_are_refused(small_set: Any, column: str, tmp_path: Path) -> None:
    rows = pandas.read_csv(small_set.labels)
    again = rows.iloc[[2]].assign(**{column: "fog" if column == "distortion" else 5})
    path = tmp_path / "other.csv"
    pandas.concat([rows, again]).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"noise0_3.png, which name the {column}s") as refused:
        iqatune.load_pairs("csv", pairs=path, better="higher", data_root=small_set.folder, raters=True)
    assert "\n" not in str(refused.value)


def test_raters_of_two_pairs_are_no_more_than_two_pairs(small_set: Any, tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("reference,distorted,score\n" + "ref0.png,noise0_1.png,1\nref0.png,noise0_2.png,3\n" * 3)
    assert len(iqatune.load_pairs("csv", pairs=path, better="higher", data_root=small_set.folder)) == 6
    with pytest.raises(InputError, match="2 usable pairs"):
        iqatune.load_pairs("csv", pairs=path, better="higher", data_root=small_set.folder, raters=True)


def test_raters_from_a_config_a_grid_and_for_an_evaluation(
    ratings: tuple[Path, Path], iqatune: Callable[..., Any], small_cache: Path
) -> None:
    data = {"dataset": "csv", "pairs": str(ratings[0]), "better": "higher", "raters": True}
    backbone = {"backbone": "squeezenet", "backbone-weights": "random"}
    Path("extract.yaml").write_text(yaml.safe_dump({**data, **backbone}))
    extraction = _record(iqatune("extract", "--config", "extract.yaml", "--cache-dir", small_cache, "--json"))
    assert extraction["protocol"]["ratings"] > extraction["pairs"] == 48
    grid = {"datasets": [data], "backbones": ["squeezenet"], "searchers": ["random"]}
    assert [cell.run.raters for cell in cells_of(grid, "grid")] == [True]
    search = ("--config", "extract.yaml", "--cache-dir", small_cache, "--quiet", "--folds", 0, "--samples", 2)
    assert iqatune("search", *search, "--searcher", "random").code == 0
    result = next(Path("runs").rglob("result.json"))
    options = ("--dataset", "csv", "--pairs", ratings[0], "--better", "higher", "--cache-dir", small_cache)
    ran = iqatune("evaluate", result, *options, "--raters", "--format", "json")
    evaluated = _record(ran)["results"][0]
    assert evaluated["protocol"]["pairs"] == 48
    assert evaluated["srcc"] == json.loads(result.read_text())["best"]["srcc"]
    ran = iqatune("doctor", *options[:-2], "--raters", "--only", "data")
    assert f"{extraction['protocol']['ratings']} rows are averaged into 48 pairs" in ran.out
