import copy

import pytest
import torch
from torch import nn

from shrinklab.channels import channel_groups, channel_masks, recalibrate_batch_norm, remove_channels
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import LeNet, ResNet8, pretrained
from shrinklab.reconstruct import reconstruct


def test_a_channel_that_others_can_predict_leaves_no_trace():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
    model[0].weight.data[2], model[0].bias.data[2] = 2 * model[0].weight[1], 2 * model[0].bias[1]
    images = torch.randn(50, 2, 6, 6)
    keep = {"0": torch.tensor([True, True, False])}
    mended = reconstruct(model, keep, images, ridge=0)
    torch.testing.assert_close(mended(images), model(images))
    torch.testing.assert_close(mended[2].weight[:, 1], model[2].weight[:, 1] + 2 * model[2].weight[:, 2])
    assert not mended[2].weight[:, 2].any()
    torch.testing.assert_close(remove_channels(mended, keep, example=images)(images), model(images))


def test_a_constant_channel_goes_into_the_bias():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].weight.data = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    model[0].bias.data = torch.tensor([0.0, 5.0])
    images = torch.randn(20, 2)
    mended = reconstruct(model, {"0": torch.tensor([True, False])}, images, ridge=0)
    torch.testing.assert_close(mended[1].bias, model[1].bias + 5 * model[1].weight[0, 1])


def test_the_regression_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    images = torch.randn(200, 6, dtype=torch.float64)
    keep = torch.tensor([True, False, True, True])
    with torch.no_grad():
        hidden = model[:2](images)
        strength = 0.01 * (hidden[:, keep] - hidden[:, keep].mean(0)).square().sum(0).mean().item()
        fitted = Ridge(alpha=strength).fit(hidden[:, keep].numpy(), model(images).numpy())
    mended = reconstruct(model, {"0": keep}, images, ridge=0.01)
    torch.testing.assert_close(mended[2].weight[:, keep].detach(), torch.tensor(fitted.coef_), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(mended[2].bias.detach(), torch.tensor(fitted.intercept_), rtol=1e-6, atol=1e-8)


def test_a_later_layer_is_fitted_to_what_the_mended_ones_deliver():
    from sklearn.linear_model import LinearRegression

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    images, keep = torch.randn(100, 6, dtype=torch.float64), torch.tensor([True, True, False, True, True])
    mended = reconstruct(model, {"0": keep, "2": keep}, images, ridge=0)
    with torch.no_grad():
        now, wanted = mended[:4](images)[:, keep], model(images)
    assert not torch.allclose(now, model[:4](images)[:, keep])
    fitted = LinearRegression().fit(now.numpy(), wanted.numpy())
    torch.testing.assert_close(mended[4].weight[:, keep].detach(), torch.tensor(fitted.coef_), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", [LeNet, ResNet8])
def test_removing_changes_no_logit_afterwards_and_the_model_stays_as_it_was(kind):
    torch.manual_seed(0)
    images = torch.randn(8, *((1, 28, 28) if kind is LeNet else (3, 32, 32)))
    model = kind().train()
    before = copy.deepcopy(model.state_dict())
    keep = channel_masks(model, 0.5, example=images)
    mended = reconstruct(model, keep, images)
    small = remove_channels(mended, keep, example=images)
    assert mended.training
    assert small.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in [*model.modules(), *mended.modules()])
    assert {n: t.shape for n, t in mended.state_dict().items()} == {n: t.shape for n, t in before.items()}
    torch.testing.assert_close(small.eval()(images), mended.eval()(images), rtol=1e-4, atol=1e-5)
    whole = {group.name: torch.ones(group.size, dtype=torch.bool) for group in channel_groups(model, images)}
    fresh = recalibrate_batch_norm(model, images).state_dict()  # nothing goes: only batch norm is recalibrated
    assert all(torch.equal(t, fresh[n]) for n, t in reconstruct(model, whole, images).state_dict().items())


def test_lenet_without_half_its_channels_hardly_loses_any_accuracy():
    model, data = pretrained("lenet"), load("mnist")
    images, judged = data.train.images[:500], data.train[500:1000]
    keep = channel_masks(model, 0.4, example=images)
    plain = remove_channels(model, keep, example=images)
    mended = remove_channels(reconstruct(model, keep, images), keep, example=images)
    assert accuracy(plain, judged) < 0.9
    assert accuracy(mended, judged) > 0.95


def test_with_batch_norm_more_is_kept_than_by_recalibration_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 12, 3, bias=False),
                          nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 6, 3))
    images, others = torch.randn(2, 60, 3, 8, 8)
    model = recalibrate_batch_norm(model, images).eval()
    keep = channel_masks(model, 0.25, example=images)
    plain = recalibrate_batch_norm(remove_channels(model, keep, example=images), images)
    mended = remove_channels(reconstruct(model, keep, images), keep, example=images)
    errors = [(small(others) - model(others)).square().mean().item() for small in (plain, mended)]
    assert errors[1] < 0.7 * errors[0], errors


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(self.again(self.again(self.first(x)).relu()).relu())


def test_a_layer_called_twice_and_a_frozen_one():
    torch.manual_seed(0)
    model, images = Twice(), torch.randn(30, 4)
    model.last.weight.requires_grad_(False)
    keep = {"first": torch.tensor([True, True, False, True, True, True])}
    mended = reconstruct(model, keep, images)
    torch.testing.assert_close(remove_channels(mended, keep, example=images)(images), mended(images))
    assert not mended.last.weight.requires_grad
    assert mended.again.weight.requires_grad
    mended(images).sum().backward()


def test_bad_input_is_refused_with_value_rule_and_fix():
    keep = {"conv1": torch.arange(6) > 2}
    for images in (None, torch.zeros(1, 1, 28, 28), torch.zeros(28)):
        with pytest.raises(ValueError, match=r"images is .*; a regression needs a tensor of two images or more"):
            reconstruct(LeNet(), keep, images)
    with pytest.raises(ValueError, match="ridge is -1; the regularization is 0 or more; use 1e-3"):
        reconstruct(LeNet(), keep, torch.zeros(2, 1, 28, 28), ridge=-1)
    with pytest.raises(ValueError, match="group name is 'fc9'"):
        reconstruct(LeNet(), {"fc9": keep["conv1"]}, torch.zeros(2, 1, 28, 28))
    dead = recalibrate_batch_norm(LeNet(), torch.zeros(2, 1, 28, 28))
    assert all(t.isfinite().all() for t in reconstruct(dead, keep, torch.zeros(2, 1, 28, 28)).state_dict().values())
