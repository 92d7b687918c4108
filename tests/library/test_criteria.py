import pytest
import torch

from shrinklab import criteria


@pytest.mark.parametrize("criterion", [criteria.l1, criteria.l2, criteria.random])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 3, 2, 2)])
def test_scores_have_the_shape_of_the_weight_and_leave_it_alone(criterion, shape):
    weight = torch.randn(shape)
    before = weight.clone()
    assert criterion(weight).shape == weight.shape
    assert torch.equal(weight, before)


def test_channel_scores_are_sums_over_a_channel_and_the_two_norms_rank_channels_differently():
    weight = torch.tensor([[3.0, 0.0, 0.0], [1.5, 1.5, 1.5]])
    assert criteria.l1(weight).sum(1).tolist() == [3.0, 4.5]
    assert criteria.l2(weight).sum(1).tolist() == [9.0, 6.75]
    assert torch.equal(criteria.l2(weight).sum(1).sqrt(), torch.linalg.vector_norm(weight, dim=1))


def test_random_repeats_for_a_seed_and_leaves_the_global_state_alone():
    weight, state = torch.ones(100), torch.get_rng_state()
    assert torch.equal(criteria.random(weight, seed=3), criteria.random(weight, seed=3))
    assert not torch.equal(criteria.random(weight, seed=3), criteria.random(weight, seed=4))
    assert torch.equal(torch.get_rng_state(), state)
