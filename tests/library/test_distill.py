"""Distillation: the loss against torch's own pieces, the factor T squared, and a student that learns from a teacher."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from shrinklab.channels import shrink_channels
from shrinklab.data import load
from shrinklab.distill import distill, distillation_loss
from shrinklab.metrics import accuracy, predict
from shrinklab.models import LeNet, pretrained
from shrinklab.quantize import Scheme, qat, quantize_model
from shrinklab.train import Recipe, fit


@pytest.fixture(scope="module")
def part():
    data = load("mnist")
    return SimpleNamespace(train=data.train[:1000], validation=data.validation[:500])


def teacher_of(answers):
    """A network that gives these logits to images that number them."""
    table = torch.nn.Embedding.from_pretrained(answers)
    return torch.nn.Sequential(table, torch.nn.Flatten())


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 1.0), (4.0, 0.9), (2.5, 0.0), (8, 1)])
def test_the_loss_is_torchs_divergence_and_cross_entropy_by_hand(temperature, weight):
    torch.manual_seed(0)
    answers, labels = torch.randn(6, 5), torch.randint(0, 5, (6,))
    logits = torch.randn(6, 5, requires_grad=True)
    ours = distillation_loss(teacher_of(answers), temperature=temperature, weight=weight)(
        logits, labels, torch.arange(6))
    p, q = (answers / temperature).softmax(1), (logits / temperature).softmax(1)
    soft = F.kl_div(q.log(), p, reduction="none").sum(1).mean()
    theirs = weight * temperature**2 * soft + (1 - weight) * F.cross_entropy(logits, labels)
    torch.testing.assert_close(ours, theirs)
    gradient, = torch.autograd.grad(ours, logits, retain_graph=True)
    # Hinton et al., equation 2: dC/dz = (q - p) / T; times T squared, and the mean over the images.
    hard = logits.softmax(1) - F.one_hot(labels, 5)
    torch.testing.assert_close(gradient, (weight * temperature * (q - p) + (1 - weight) * hard).detach() / 6)


def test_at_high_temperatures_the_gradient_matches_logits_and_keeps_its_size():
    """Hinton et al., equation 4: it tends to (z - v) / N for logits of mean zero, whatever T is."""
    torch.manual_seed(0)
    answers, logits = torch.randn(1, 10), torch.randn(1, 10, requires_grad=True)
    for temperature in (100.0, 1000.0):
        loss = distillation_loss(teacher_of(answers), temperature=temperature, weight=1.0)
        gradient, = torch.autograd.grad(loss(logits, torch.tensor([0]), torch.arange(1)), logits)
        centred = (logits - logits.mean() - answers + answers.mean()).detach() / 10
        assert (gradient - centred).norm() < 0.05 * centred.norm()


def test_the_teacher_answers_in_evaluation_mode():
    teacher = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(20, 3)).train()
    x, labels = torch.ones(4, 20), torch.zeros(4).long()
    loss = distillation_loss(teacher, weight=1.0)(predict(teacher, x), labels, x)
    assert float(loss) == pytest.approx(0, abs=1e-5)
    assert teacher.training


def test_a_student_learns_from_answers_alone(part):
    torch.manual_seed(0)
    student, teacher, history = LeNet(channels=(3, 8), hidden=(40, 20)), pretrained("lenet"), []
    unlabelled = SimpleNamespace(
        train=SimpleNamespace(images=part.train.images[:600], labels=torch.zeros_like(part.train.labels[:600])),
        validation=part.validation[:300])
    recipe = Recipe(epochs=3, batch_size=20, learning_rate=0.01)
    small = distill(student, teacher, unlabelled, recipe, weight=1.0, progress=False, on_epoch=history.append)
    assert accuracy(small, unlabelled.validation) > 0.7
    assert accuracy(small, unlabelled.validation) == max(record["validation_accuracy"] for record in history)


def test_both_models_their_modes_and_the_random_numbers_stay_and_a_seed_repeats(part):
    torch.manual_seed(0)
    student, teacher = LeNet(channels=(3, 8), hidden=(40, 20)).eval(), pretrained("lenet").train()
    before = copy.deepcopy(student.state_dict()), copy.deepcopy(teacher.state_dict())
    state = torch.get_rng_state()
    first = distill(student, teacher, part, progress=False)
    second = distill(student, teacher, part, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    for was, model in zip(before, (student, teacher), strict=True):
        assert all(torch.equal(was[name], tensor) for name, tensor in model.state_dict().items())
    assert not student.training
    assert not first.training
    assert teacher.training


def test_the_teacher_answers_in_evaluation_mode_and_collects_no_gradient():
    teacher = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.9), torch.nn.BatchNorm1d(2)).train()
    images, logits = torch.randn(4, 2), torch.zeros(4, 2, requires_grad=True)
    loss = distillation_loss(teacher, weight=1.0)
    values = [loss(logits, torch.zeros(4).long(), images) for _ in range(2)]
    values[0].backward()
    assert values[0] == values[1]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert int(teacher[2].num_batches_tracked) == 0


def test_with_bfloat16_the_teacher_computes_in_it_too(part):
    kinds = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = LeNet()

        def forward(self, x):
            y = self.net(x)
            kinds.append(y.dtype)
            return y

    tiny = SimpleNamespace(train=part.train[:32], validation=part.validation[:32])
    distill(LeNet(), Spy(), tiny, Recipe(bfloat16=True, batch_size=32), progress=False)
    assert kinds == [torch.bfloat16]


def test_training_with_quantized_weights_takes_the_loss_too(part):
    model = pretrained("lenet")
    start = quantize_model(model, part.train[:64], Scheme(weight_bits=2))
    tiny = SimpleNamespace(train=part.train[:256], validation=part.validation[:200])
    recipe = Recipe(learning_rate=0.01, batch_size=32)
    taught = qat(start, model, tiny, recipe, loss=distillation_loss(model), progress=False)
    alone = qat(start, model, tiny, recipe, progress=False)
    assert accuracy(taught, tiny.validation) > accuracy(start, tiny.validation)
    assert not torch.equal(taught.layers["fc1"].weight, alone.layers["fc1"].weight)


def test_a_masked_student_keeps_its_mask(part):
    student, tiny = LeNet(), SimpleNamespace(train=part.train[:64], validation=part.validation[:50])
    mask = torch.rand(student.fc1.weight.shape) < 0.5
    small = distill(student, pretrained("lenet"), tiny, masks={"fc1.weight": mask}, progress=False)
    assert not small.fc1.weight[~mask].any()


@pytest.mark.parametrize(("options", "message"), [
    ({"temperature": 0}, "temperature is 0; a temperature is a number above 0; use 4.0"),
    ({"temperature": float("nan")}, "temperature is nan; a temperature"),
    ({"temperature": "hot"}, "temperature is 'hot'; a temperature"),
    ({"weight": 90}, "weight is 90; the weight of the teacher is a fraction from 0 to 1; use 0.9"),
    ({"weight": True}, "weight is True; the weight"),
])
def test_bad_settings_are_refused(part, options, message):
    with pytest.raises(ValueError, match=message):
        distill(LeNet(), LeNet(), part, progress=False, **options)


def test_bad_models_are_refused(part):
    with pytest.raises(TypeError, match="the teacher is a str; a teacher is a module; pass a trained model"):
        distill(LeNet(), "lenet", part, progress=False)
    with pytest.raises(TypeError, match="the student is a function; a student is a module; pass the model to train"):
        distill(predict, LeNet(), part, progress=False)
    broken = LeNet()
    broken.fc1.bias.data[0] = float("nan")
    with pytest.raises(ValueError, match="the teacher's fc1.bias holds NaN; a teacher answers with numbers; load"):
        distill(LeNet(), broken, part, progress=False)
    with pytest.raises(ValueError, match=r"teacher's logits have shape \(2, 3\); those of the student have \(2, 10\)"):
        distillation_loss(teacher_of(torch.zeros(2, 3)))(torch.zeros(2, 10), torch.zeros(2).long(), torch.arange(2))
    with pytest.raises(ValueError, match="the training split has 0 images"):
        distill(LeNet(), LeNet(), SimpleNamespace(train=part.train[:0], validation=part.validation), progress=False)


def test_fit_takes_the_loss_for_a_network_that_is_to_change(part):
    model, tiny = LeNet(), SimpleNamespace(train=part.train[:64], validation=part.validation[:50])
    before = model.fc1.weight.detach().clone()
    fit(model, tiny, loss=distillation_loss(pretrained("lenet")), progress=False)
    assert not torch.equal(model.fc1.weight, before)


def test_without_a_recipe_a_pruned_network_recovers():
    # At fit's own rate this one diverges, to one class for everything.
    model, data = pretrained("lenet"), load("mnist")
    part = SimpleNamespace(train=data.train[:3000], validation=data.validation[:1000])
    small = shrink_channels(model, 0.5, example=data.example)
    assert accuracy(distill(small, model, part, progress=False), part.validation) > 0.93
