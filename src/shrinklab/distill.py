"""Distillation: a small network learns from a large one's answers, not from the labels alone.

A teacher's "cat 0.7, dog 0.2" says more than the label "cat". A temperature T > 1 softens both networks' answers, so
that the small probabilities count. Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
"""

import copy
from numbers import Real

import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.errors import need
from shrinklab.train import Recipe, fit


def distill(student, teacher, data, recipe=None, **options):
    """Train a copy of `student` towards the answers of `teacher`; return the copy. Both models stay as they were.

    student, teacher: modules, images (N, C, H, W) -> logits (N, classes); the student may be of any other size.
    data, recipe: as for `train.fit`. options: temperature and weight as for `distillation_loss`, and those of
    `train.fit` (masks, on_epoch, progress); `on_epoch=history.append` keeps the record of each epoch. The epoch with
    the best validation accuracy is kept. With recipe.bfloat16 the teacher, too, computes in bfloat16.
    At temperature T the gradient can be T times that of labels, so the recipe, unless given, is a gentle one: three
    epochs at 0.005. A network without batch norm can diverge at fit's own rate.

    >>> from types import SimpleNamespace as Part
    >>> from shrinklab.data import load
    >>> from shrinklab.models import build, pretrained
    >>> data, history = load("mnist"), []
    >>> part = Part(train=data.train[:256], validation=data.validation[:50])
    >>> small = distill(build("lenet", channels=[3, 8]), pretrained("lenet"), part, Recipe(epochs=2), progress=False,
    ...                 on_epoch=history.append)
    >>> small.conv2, len(history)
    (Conv2d(3, 8, kernel_size=(5, 5), stride=(1, 1)), 2)
    """
    need(isinstance(student, nn.Module), f"the student is a {type(student).__name__}", "a student is a module",
         "pass the model to train", TypeError)
    soft = {name: options.pop(name) for name in ("temperature", "weight") if name in options}
    loss = distillation_loss(teacher, **soft)
    copied = copy.deepcopy(student)
    fit(copied, data, recipe or Recipe(epochs=3, learning_rate=0.005), loss=loss, **options)
    return copied


def distillation_loss(teacher, *, temperature=4.0, weight=0.9):
    """A loss for `train.fit`: weight * T^2 * KL(teacher || student, both at T) + (1 - weight) * cross-entropy.

    The gradient of the soft part falls with 1 / T^2; the factor T^2 undoes it, so that `weight` means the same at any
    temperature. teacher: a module; a copy of it answers, in evaluation mode. temperature: above 0; weight: 0 to 1.
    Returns a function of logits (N, classes), labels (N,) and images (N, ...) -> the mean loss, ().

    >>> teacher = nn.Linear(1, 2, bias=False)
    >>> teacher.weight.data = torch.tensor([[2.0], [0.0]])
    >>> loss = distillation_loss(teacher, temperature=2.0, weight=1.0)
    >>> image, label = torch.ones(1, 1), torch.tensor([0])
    >>> loss(torch.tensor([[2.0, 0.0]]), label, image)  # the same answer
    tensor(0.)
    >>> loss(torch.tensor([[0.0, 0.0]]), label, image)  # 4 (0.7311 ln(0.7311 / 0.5) + 0.2689 ln(0.2689 / 0.5))
    tensor(0.4438)
    """
    need(isinstance(teacher, nn.Module), f"the teacher is a {type(teacher).__name__}", "a teacher is a module",
         "pass a trained model", TypeError)
    need(_number(temperature) and 0 < temperature < float("inf"), f"temperature is {temperature!r}",
         "a temperature is a number above 0", "use 4.0; 1.0 for the plain probabilities")
    need(_number(weight) and 0 <= weight <= 1, f"weight is {weight!r}",
         "the weight of the teacher is a fraction from 0 to 1", "use 0.9")
    _refuse_nan(teacher)
    teacher = copy.deepcopy(teacher).eval()

    def loss(logits, labels, images):
        with torch.inference_mode():
            answers = teacher(images).float()
        need(answers.shape == logits.shape, f"the teacher's logits have shape {tuple(answers.shape)}",
             f"those of the student have {tuple(logits.shape)}", "use two networks for the same classes")
        # A copy, because autograd keeps it and takes no tensor that was born in inference mode.
        soft = soft_loss(logits, answers.clone(), temperature)
        return weight * soft + (1 - weight) * F.cross_entropy(logits, labels)

    return loss


def soft_loss(logits, answers, temperature):
    """T^2 * KL(teacher || student), both softened by the temperature T: the mean over the images, ().

    logits, answers: the student's and the teacher's logits, (N, classes); temperature: above 0.

    >>> soft_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]]), 1.0)  # 0.8808 ln 1.7616 + 0.1192 ln 0.2384
    tensor(0.3278)
    """
    target = F.log_softmax(answers / temperature, 1)
    soft = F.kl_div(F.log_softmax(logits / temperature, 1), target, reduction="batchmean", log_target=True)
    return temperature**2 * soft


def _number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def _refuse_nan(teacher):
    for name, tensor in teacher.state_dict().items():
        need(not tensor.isnan().any(), f"the teacher's {name} holds NaN", "a teacher answers with numbers",
             "load or train it again")
