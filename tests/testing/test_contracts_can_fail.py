"""What is broken fails the contract suites, in the test that says what is wrong."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).with_name("broken_examples.py")

FAILS = {
    "Searcher outside": "proposes_what_is_asked_for",
    "Searcher unseeded": "the_same_problem_gives_the_same_samples",
    "Searcher global-generator": "leaves_the_global_generators_alone",
    "Searcher half-global": "does_not_mind_what_others_draw_meanwhile",
    "Searcher one-short": "proposes_what_is_asked_for",
    "Searcher endless": "proposes_what_is_asked_for",
    "Searcher one-array": "proposes_what_is_asked_for",
    "Searcher chokes-on-nan": "takes_an_undefined_srcc",
    "Searcher waits": "results_may_come_late",
    "Searcher from-one": "proposes_what_is_asked_for",
    "Searcher small-budget": "keeps_to_the_budgets",
    "Searcher needs-results": "can_be_asked_ahead_where_it_says_so",
    "Searcher undescribed": "describes_itself",
    "Dataset not-numbers": "loads_a_table_to_tune_on",
    "Dataset levels-from-0": "levels_count_from_1",
    "Dataset ignores-exclude": "an_unknown_distortion_to_exclude_is_refused",
    "Dataset other-each-time": "the_same_options_give_the_same_table",
    "Dataset two-names": "loads_a_table_to_tune_on",
    "Dataset no-files": "images_are_there_and_can_be_decoded",
    "Dataset any-error": "a_folder_that_is_not_there_is_refused",
    "Backbone channels": "gives_the_maps_of_every_stage",
    "Backbone no-gradient": "gradients_of_every_stage_reach_the_image",
    "Backbone of-the-batch": "an_images_maps_do_not_depend_on_its_batch",
    "Backbone dropping": "the_same_seed_builds_the_same_backbone",
    "Backbone constant": "gives_the_maps_of_every_stage",
    "Backbone outsider": "works_in_half_precision",
    "Backbone unseeded-cnn": "the_same_seed_builds_the_same_backbone",
    "Baseline other-way-round": "identical_images_are_the_best",
    "Baseline not-a-number": "gives_a_finite_number_for_every_pair",
    "Baseline counting": "repeats_itself_whatever_the_order",
    "Baseline of-large-images": "takes_its_minimum_size_and_nothing_smaller",
    "Baseline sampled": "leaves_the_global_generators_alone",
    "Baseline blind": "more_noise_is_worse",
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The tests that failed, by what was tested."""
    report = tmp_path_factory.mktemp("broken") / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}"]
    done = subprocess.run([*command, EXAMPLES], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    tests: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(report).iter("testcase"):
        found = tests[case.attrib["classname"].rpartition(".Test ")[2]]
        if case.find("failure") is not None or case.find("error") is not None:
            found.add(case.attrib["name"].partition("[")[0].removeprefix("test_"))
    return tests


@pytest.mark.parametrize(("example", "test"), FAILS.items())
def test_what_is_broken_fails(failed: dict[str, set[str]], example: str, test: str) -> None:
    assert test in failed[example]


def test_every_example_is_looked_at(failed: dict[str, set[str]]) -> None:
    assert failed.keys() == {*FAILS, "Searcher clock"}


def test_what_says_that_it_does_not_repeat_itself_passes(failed: dict[str, set[str]]) -> None:
    assert failed["Searcher clock"] == set()
