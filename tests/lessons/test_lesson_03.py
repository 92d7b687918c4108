"""Lesson 03: its pitfalls show both figures, its sentences hold for the shipped networks, its challenge can be met."""

import re

import numpy as np
import pytest
import torch
import yaml
from lesson_notebooks import LESSONS, released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab import leakage, significance
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy, bootstrap_interval, correct, mcnemar, predict
from shrinklab.significance import drop_interval

FIRST = torch.arange(1000) % 10 != 3


def exercises():
    return [f"exercise-{name}" for name in ("accuracy_interval", "paired_test", "images_needed", "leak_free_split")]


@pytest.fixture(scope="module")
def lesson():
    return run_cells("03", "networks", "flags", *exercises(), "own-slider", "needed-shares", "int8", "leak-train",
                     "pitfall-leak", "split-use", "tuned", "pitfall-tuning", "tiny-winner", "twins-search",
                     "twins-accuracy")


@pytest.fixture(scope="module")
def flags(lesson):
    return lesson["whole_right"], lesson["pruned_right"]


def test_leakage_hides_the_loss_and_the_honest_figure_stands_beside_it(lesson):
    lenet, repaired = lesson["lenet"], lesson["repaired"]
    honest, leaky = (100 * (accuracy(lenet, images) - accuracy(repaired, images))
                     for images in (lesson["unseen"], lesson["seen"]))
    assert lesson["report_drop"](test_on_images_seen_in_training=True) == {
        "honest, 1,000 unseen images": f"{honest:.1f} points lost",
        "as reported, 100 images seen": f"{leaky:.1f} points lost"}
    assert list(lesson["report_drop"](test_on_images_seen_in_training=False)) == ["honest, 1,000 unseen images"]
    assert honest > 5
    assert leaky < 1


def test_the_repair_remembers_its_images_and_makes_ten_times_the_mistakes(lesson):
    lenet, repaired = lesson["lenet"], lesson["repaired"]
    assert lesson["before_repair"] < 0.3
    assert accuracy(repaired, lesson["seen"]) > 0.98
    assert 1 - accuracy(repaired, lesson["unseen"]) > 10 * (1 - accuracy(lenet, lesson["unseen"]))
    assert all(bool((dict(repaired.named_parameters())[name][~mask] == 0).all())
               for name, mask in lesson["masks"].items())
    assert not set(range(100)) & set(range(1000, 2000))


def test_the_winner_gains_on_the_images_that_chose_it_and_not_on_fresh_ones(lesson):
    logits, labels, whole = lesson["logits"], lesson["labels"], lesson["whole_right"]
    few = torch.arange(len(labels)) < 200
    hits = torch.stack([correct(logits[few] + handicap, labels[few]).sum() for handicap in lesson["handicaps"]])
    gain = correct(logits + lesson["handicaps"][int(hits.argmax())], labels).double() - whole.double()
    chosen, fresh = 100 * gain[few].mean(), 100 * gain[~few].mean()
    assert lesson["report_gain"](500, 0, report_on_the_images_that_chose=True) == {
        "honest, 3,800 fresh photos": f"{fresh:+.2f} points", "as reported, the 200 photos": f"{chosen:+.2f} points"}
    assert list(lesson["report_gain"](500, 0, report_on_the_images_that_chose=False)) == ["honest, 3,800 fresh photos"]
    assert chosen > 1.5
    assert fresh < 0.2


def test_so_it_goes_with_every_other_set_of_200(lesson):
    gains = np.array([lesson["tuned"](500, which) for which in range(20)])
    assert gains[:, 0].min() > 0
    assert gains[:, 0].mean() > 1.5
    assert gains[:, 1].max() < 0.2
    means = [np.mean([lesson["tuned"](candidates, which) for which in range(5)], axis=0)
             for candidates in (1, 5, 20, 100, 500)]
    reported = [chosen for chosen, _ in means]
    assert reported == sorted(reported)
    assert max(means[0]) < 0
    assert all(fresh < 0 for _, fresh in means)


def test_the_coins_winner_was_lucky(lesson):
    assert int(lesson["hits"].max()) >= 15
    assert 8 <= int(lesson["again"]) <= 12
    assert 9.5 < lesson["hits"].double().mean() < 10.5


def test_the_lead_changes_hands_as_photos_are_added(flags):
    leads = {size: int(flags[0][:size].sum() - flags[1][:size].sum()) for size in (500, 1000, 2000, 4000)}
    assert leads[500] < 0
    assert leads[1000] < 0 < leads[2000]
    assert leads[4000] > 4


def test_the_intervals_overlap_and_the_pairs_decide(flags):
    whole, pruned = (bootstrap_interval(right) for right in flags)
    assert whole[0] < pruned[1]
    assert mcnemar(*flags).p_value < 0.05
    low, high = drop_interval(*flags)
    assert 0 < low < high < 0.02
    low, high = drop_interval(flags[0][:1000], flags[1][:1000])
    assert low < 0 < high


def test_200_photos_give_an_interval_of_about_nine_points():
    low, high = bootstrap_interval(torch.arange(200) < 177)
    assert 8 < 100 * (high - low) < 10


def test_on_the_slider_four_times_the_images_halve_the_interval(lesson):
    digits, small = lesson["digits"], apply_masks(lesson["lenet"], global_masks(lesson["lenet"], 0.9))
    right = correct(predict(small, digits.images[:1000]), digits.labels[:1000])
    widths = {size: 100 * (high - low) for size, (low, high) in
              ((size, bootstrap_interval(right[:size])) for size in range(50, 1001, 50))}
    assert widths[200] == pytest.approx(8, abs=0.5)
    assert widths[800] == pytest.approx(4, abs=0.3)
    assert max(widths.values()) == widths[50]


def test_p_on_200_photos_is_below_005_from_six_to_nothing_on():
    p_values = {b: mcnemar([True] * b + [False] * (200 - b), [False] * 200).p_value for b in (5, 6)}
    assert p_values[6] < 0.05 < p_values[5]


def test_the_coins_of_the_text_are_counted_right(lesson):
    first, second = torch.tensor([1, 1, 1, 0]).bool(), torch.tensor([0, 0, 0, 1]).bool()
    assert mcnemar(first, second).p_value == 10 / 16
    assert lesson["paired_test"](first, second) == (3, 1, 10 / 16)


def test_no_difference_seen_with_8_bits_and_the_interval_allows_less_than_a_point(lesson):
    test = mcnemar(lesson["whole_right"][:1000], lesson["int8_right"])
    assert test.p_value > 0.2
    assert drop_interval(lesson["whole_right"][:1000], lesson["int8_right"])[1] < 0.01


def test_the_key_result_takes_thousands_of_photos_and_pairing_saves_most(lesson):
    disagree, level = lesson["disagree"], lesson["whole_right"].double().mean().item()
    one_point = significance.images_needed((disagree + 0.01) / 2, (disagree - 0.01) / 2)
    assert 2500 < one_point < 3200, "the mark scheme says about 2,800"
    assert 7.85 * 2 * level * (1 - level) / 0.01 ** 2 > 4 * one_point
    chance = np.random.default_rng(1)
    seen = {}
    for size in (200, one_point):
        shares = [(disagree + 0.01) / 2, (disagree - 0.01) / 2, 1 - disagree]
        seen[size] = np.mean([mcnemar([True] * b + [False] * (c + 1), [False] * b + [True] * c + [False]).p_value < 0.05
                              for b, c, _ in chance.multinomial(size, shares, 400)])
    assert seen[200] < 0.15
    assert 0.7 < seen[one_point] < 0.88


def test_the_test_photos_were_planned():
    """5,000 photos are a little more than the plan; what the test gave is printed, whatever it is."""
    source = {cell.id: cell.source for cell in solution("03").cells}
    assert source["03-measure-run"].count("data.test[:5000]") == 2
    assert sum("data.test" in text for text in source.values()) == 5  # photos only three times, measurement, labels


def test_about_as_many_twins_as_the_paper_and_the_closest_are_the_same_class(lesson):
    data, pairs = lesson["data"], lesson["pairs"]
    share = float((pairs.similarity > 0.9).double().mean()) * len(pairs) / len(data.test)
    assert 0.5 * 0.033 / 5 < share < 1.5 * 0.033 / 5
    assert bool((data.test.labels[pairs.places[:12]] == data.train.labels[pairs.partners[:12]]).all())
    low, high = bootstrap_interval(lesson["whole_right"][lesson["twin"]])
    assert low < lesson["whole_right"].double().mean() < high
    assert len(lesson["twin"]) < 100


def test_a_split_by_image_flatters_and_one_by_group_does_not(lesson):
    shown = {divide: np.array([[float(value.strip("%")) for value in lesson["remember"](divide, seed).values()]
                               for seed in range(21)]) for divide in ("by image", "by group")}
    held, new = shown["by image"].mean(0)
    assert held - new > 15
    held, new = shown["by group"].mean(0)
    assert abs(held - new) < 8


def test_both_switches_start_off():
    sources = {cell.id: cell.source for cell in solution("03").cells}
    assert "test_on_images_seen_in_training=False)" in sources["03-pitfall-leak"]
    assert "report_on_the_images_that_chose=False)" in sources["03-pitfall-tuning"]


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("03").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 5
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


NOTHING = {
    "accuracy_interval": ["    pass", "    return 0.0, 1.0", "    return (correct.float().mean(),) * 2"],
    "paired_test": ["    pass", "    return 0, 0, 1.0", "    return first, second, 1.0"],
    "images_needed": ["    pass", "    return float('inf')", "    return 3140"],
    "leak_free_split": ["    pass", "    return torch.zeros(len(groups)).bool()", "    return groups"],
    "drop_range": ["    pass", "    return 0.0, 0.0"],
}
TAKEN = {"accuracy_interval": "correct, repeats=2000, seed=0", "paired_test": "first, second",
         "images_needed": "lost, gained", "leak_free_split": "groups, share, seed=0",
         "drop_range": "first, second, repeats=1000, seed=0"}


@pytest.mark.parametrize(("name", "body"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, body):
    result = grade_cells(solution("03"), name, replace={name: f"def {name}({TAKEN[name]}):\n{body}\n"})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_the_functions_of_the_library_do_what_the_exercises_ask(lesson):
    np.testing.assert_allclose(lesson["accuracy_interval"](FIRST), bootstrap_interval(FIRST), atol=0.002)
    for shares in ((0.03, 0.01), (0.01, 0.04), (0.02, 0.02)):
        assert lesson["images_needed"](*shares) == significance.images_needed(*shares)
    groups = torch.tensor([9, 9, 4, 4, 7, 7, 1, 1])
    assert torch.equal(lesson["leak_free_split"](groups, 0.5, 3), leakage.split_groups(groups, 0.5, 3))


def test_the_challenge_can_be_met(lesson):
    digits, lenet = lesson["digits"], lesson["lenet"]
    whole = correct(predict(lenet, digits.images), digits.labels)
    ends = {percent: drop_interval(whole, correct(
        predict(apply_masks(lenet, global_masks(lenet, percent / 100)), digits.images), digits.labels))[1]
        for percent in range(78, 85)}
    assert [percent for percent in ends if percent + 1 in ends and ends[percent] < 0.01 <= ends[percent + 1]] != []
    assert ends[78] < 0.01 < ends[84]


def test_every_defined_term_stands_in_bold_in_its_cell():
    terms = yaml.safe_load(LESSONS["03"].with_name("03_trust.glossary.yml").read_text(encoding="utf-8"))
    cells = {cell.id: cell.source for cell in solution("03").cells}
    for term in terms:
        assert len(term["means"].split()) <= 30, term
        words = re.sub(r"\s+", " ", cells[f"03-{term['cell']}"])
        assert re.search(rf"\*\*{re.escape(term['term'])}s?\*\*", words), term
