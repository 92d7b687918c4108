"""Lesson 05: its pitfalls show both figures, its sentences agree with what it trains, its challenge can be met."""

import json
from types import SimpleNamespace

import pytest
import torch
from lesson_notebooks import released, run_cells, solution
from matplotlib import pyplot

from autograder.engine import grade_cells
from shrinklab.files import file_bytes, sparse_bytes
from shrinklab.lottery import trained
from shrinklab.masks import apply_masks, global_masks, sparsity
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.schedules import cubic_schedule, prune_gradually
from shrinklab.train import Recipe, fit


@pytest.fixture(scope="module")
def lesson():
    """The lesson's own trainings, run once: about half a minute."""
    names = run_cells("05", "load", "cut", "recipe", "first-epoch", "make-run", "own-loop", "pitfall-mask",
                      "pitfall-rounds", "own-schedule", "ways", "lottery-dense", "lottery-ticket", "lottery-run",
                      "lottery-job", "least-sure", "distil-run", "choose")
    pyplot.close("all")
    return names


def test_forgetting_the_mask_shows_both_networks(lesson):
    shown = lesson["fine_tune"](batches=12, forget_the_mask=True)
    held, forgot = lesson["after_steps"](12, lesson["masks"]), lesson["after_steps"](12, {})
    for name, network in (("mask held", held), ("mask forgotten", forgot)):
        assert shown[name].to_dict() == {
            "accuracy": f"{accuracy(network, lesson['images']):.1%}", "zeros": f"{sparsity(network):.1%}",
            "sparse file": f"{sparse_bytes(network):,} bytes"}
    assert sparsity(held) == pytest.approx(0.95, abs=0.001)
    assert sparsity(forgot) < 0.3
    assert sparse_bytes(forgot) > 4 * sparse_bytes(held)
    assert accuracy(forgot, lesson["images"]) > 0.9, "accuracy says nothing about the mistake"


def test_counting_from_all_weights_stands_still(lesson):
    shown, model = lesson["rounds_of_a_fifth"](rounds=5, count_from_all=True), lesson["model"]
    for name, amount in (("of what is left", 1 - 0.8**5), ("of all weights", 0.2)):
        network = apply_masks(model, global_masks(model, amount))
        assert shown[name].to_dict() == {"zeros": f"{sparsity(network):.1%}",
                                         "accuracy": f"{accuracy(network, lesson['images']):.1%}"}
    assert lesson["rounds_of_a_fifth"](rounds=9, count_from_all=True)["of all weights"]["zeros"] == "20.0%"


def test_both_switches_start_off(lesson):
    sources = {cell.id: cell.source for cell in solution("05").cells}
    assert "forget_the_mask=False)" in sources["05-pitfall-mask"]
    assert "count_from_all=False)" in sources["05-pitfall-rounds"]
    assert list(lesson["fine_tune"](batches=2, forget_the_mask=False)) == ["mask held"]
    assert list(lesson["rounds_of_a_fifth"](rounds=2, count_from_all=False)) == ["of what is left"]


def test_the_sentences_about_the_first_epoch_hold(lesson):
    model, images = lesson["model"], lesson["images"]
    assert accuracy(lesson["pruned"], images) < 0.5, "it misreads most digits"
    assert accuracy(lesson["tuned"], images) > 0.95
    assert 3000 < sum(int(mask.sum()) for mask in lesson["masks"].values()) < 3150
    assert sparsity(lesson["tuned"]) == pytest.approx(0.95, abs=0.001)
    assert sparsity(model) == 0


def test_a_removed_weight_that_stays_had_no_gradient_in_any_step(lesson):
    moved = {name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in lesson["pruned"].named_parameters()}

    def loss(logits, labels, images):
        value = torch.nn.functional.cross_entropy(logits, labels)
        gradients = torch.autograd.grad(value, list(network.parameters()), retain_graph=True)
        for (name, _), gradient in zip(network.named_parameters(), gradients, strict=True):
            moved[name] |= gradient != 0
        return value

    network = apply_masks(lesson["pruned"], {})
    fit(network, lesson["part"], lesson["recipe"], loss=loss, progress=False)
    assert sparsity(network) < 0.3
    for name, weight in network.named_parameters():
        if name in lesson["masks"]:
            stayed = (weight == 0) & ~lesson["masks"][name]
            assert not (stayed & moved[name]).any()


def test_the_sentences_about_the_run_hold(lesson):
    cuts = [accuracy(one.pruned, lesson["images"]) for one in lesson["run"]]
    ends = [accuracy(one.tuned, lesson["images"]) for one in lesson["run"]]
    assert min(cuts[1:3]) > 0.98, "through the first rounds both lines lie together at the top"
    assert min(ends[1:3]) > 0.98
    assert ends[-1] - cuts[-1] > 0.1, "one epoch mends most of it"
    assert ends[-1] < ends[1] - 0.02, "in the last rounds it no longer mends everything"
    sizes = [sparse_bytes(one.tuned) for one in lesson["run"]]
    assert sizes == sorted(sizes, reverse=True)
    assert len({file_bytes(one.tuned) for one in lesson["run"]}) == 1
    last = lesson["run"][-1].tuned.fc1.weight != 0
    assert (~last.any(0)).double().mean() > 0.3, "whole inputs have gone"
    assert (~last.any(1)).double().mean() > 0.3, "and whole outputs"


def test_the_sentences_about_the_three_plans_hold(lesson):
    means = lesson["ways"].groupby(["amount", "plan"]).accuracy.mean()
    assert max(means[0.95]) - min(means[0.95]) < 0.015
    assert means[0.99].drop("one-shot").min() - means[0.99]["one-shot"] > 0.15, "the single cut collapses"
    assert abs(means[0.99]["gradual"] - means[0.99]["iterative"]) < 0.12
    epochs = lesson["ways"].groupby(["amount", "plan"]).size()
    assert set(epochs) == {2}


def test_the_images_that_judge_the_tickets_chose_no_epoch(lesson):
    part = lesson["lot"].validation
    assert len(part.labels) == 500
    assert not {image.numpy().tobytes() for image in part.images} & {
        image.numpy().tobytes() for image in lesson["images"].images}
    again = trained(lesson["start"], lesson["lot"], lesson["same_training"], masks=lesson["winner"], progress=False)
    first = lesson["tickets"].query("start == 'rewound' and seed == 0").accuracy.item()
    assert first == accuracy(again, lesson["images"])


def test_the_honest_outcome_of_the_lottery_holds(lesson):
    early, final = lesson["early"], lesson["final"]
    assert early["rewound"] - max(early["reinitialized"], early["shuffled"]) > 0.2, "far ahead after one epoch"
    lead = final["rewound"] - max(final["reinitialized"], final["shuffled"])
    assert 0 < lead < 0.1, "a few points after four"
    dense = accuracy(lesson["dense"], lesson["images"])
    assert final["rewound"] > dense - 0.03, "about as far as the dense network"


def test_twelve_epochs_leave_little_of_the_lead_and_the_bar_moves(lesson):
    told = []
    answer = lesson["train_longer"](lambda done, total, text="": told.append((done, total)))
    assert told == [(done, 36) for done in range(1, 37)]
    values = {name: number["value"] for name, number in answer["numbers"].items()}
    assert set(values) == {"rewound", "reinitialized", "shuffled"}
    # One seed, and another number of threads draws another one: after one epoch the lead is some 50 points.
    assert values["rewound"] - max(values["reinitialized"], values["shuffled"]) < 0.03


def test_the_teacher_s_lead_is_small_and_there(lesson):
    lead = lesson["best"]["teacher"] - lesson["best"]["labels"]
    assert 0.002 < lead < 0.03


def test_fine_tuning_moves_the_cliff(lesson):
    choice, enough = lesson["choice"], lesson["enough"]
    assert lesson["chosen"] >= 0.9 > enough["no training"].last_valid_index()
    assert (choice.loc[0.95, ["rounds, labels", "rounds, teacher"]] > choice.loc[0.95, "no training"] + 0.4).all()


def test_the_plan_of_the_library_stands_in_for_cubic_sparsity(lesson):
    assert [lesson["amount_at"](step, 4, 0.0, 0.8) for step in range(5)] == [0.0, *cubic_schedule(0.8, 4)]


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("05").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 6
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    # JupyterLab shows the first line of a hidden input.
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


def test_an_answer_is_told_neither_right_nor_wrong_before_it_is_graded(capsys):
    checks = {cell.metadata["shrinklab"]["name"]: cell.source for cell in released("05").cells
              if cell.metadata.get("shrinklab", {}).get("kind") == "check"}
    for given in ('"a"', '"b"'):
        namespace = run_cells("05") | {"answer_3": json.loads(given)}
        exec(checks["answer_3"].replace("\nearned.points", "\nshown = earned.points"), namespace)
        assert namespace["shown"] is None
        assert "your answer can be read" in capsys.readouterr().out


NOTHING = {
    "masked_step": ["def masked_step(weight, velocity, gradient, mask, rate):\n    pass",
                    "def masked_step(weight, velocity, gradient, mask, rate):\n    return weight * 0, velocity * 0"],
    "cubic_sparsity": ["def cubic_sparsity(step, steps, start, end):\n    pass",
                       "def cubic_sparsity(step, steps, start, end):\n    return start",
                       "def cubic_sparsity(step, steps, start, end):\n    return 0.8"],
    "lottery_ticket": ["def lottery_ticket(start, trained, amount):\n    pass",
                       "def lottery_ticket(start, trained, amount):\n    return start * 0",
                       "def lottery_ticket(start, trained, amount):\n    return trained"],
    "distillation_loss": ["def distillation_loss(logits, teacher_logits, temperature):\n    pass",
                          "def distillation_loss(logits, teacher_logits, temperature):\n    return logits.sum() * 0"],
}


@pytest.mark.parametrize(("name", "source"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, source):
    result = grade_cells(solution("05"), name, replace={name: source})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_the_challenge_can_be_met(lesson):
    data, images, model = lesson["data"], lesson["images"], pretrained("lenet")
    thousand = SimpleNamespace(train=data.train[:1000], validation=data.validation[3000:3500])
    bar = prune_gradually(model, thousand, [0.98], Recipe(epochs=4, learning_rate=0.02, batch_size=32), progress=False)
    mine = prune_gradually(model, thousand, [0.9, 0.95, 0.97, 0.98], Recipe(learning_rate=0.01, batch_size=32),
                           loss=lesson["teacher_loss"], progress=False)
    assert sparsity(mine.model) >= 0.9799
    assert accuracy(mine.model, images) >= accuracy(bar.model, images) + 0.02


def test_the_networks_that_the_lesson_starts_from_stay_whole(lesson):
    whole = pretrained("lenet")
    assert all(torch.equal(one, other) for one, other in
               zip(lesson["model"].state_dict().values(), whole.state_dict().values(), strict=True))
    again = trained(lesson["pruned"], lesson["part"], lesson["recipe"], masks=lesson["masks"], progress=False)
    assert accuracy(again, lesson["images"]) == accuracy(lesson["tuned"], lesson["images"]), "a run can be repeated"
