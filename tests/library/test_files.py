import copy
import gzip
import json
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file
from torch import nn

from shrinklab import files, masks
from shrinklab.models import LeNet, ResNet8, build
from shrinklab.train import Recipe, fit


def bits(model):
    return {name: (tensor.dtype, tuple(tensor.shape), tensor.contiguous().view(-1).view(torch.uint8).tolist())
            for name, tensor in model.state_dict().items()}


def pruned(model, amount):
    return masks.apply_masks(model, masks.global_masks(model, amount))


@pytest.mark.parametrize("save", [files.save_dense, files.save_sparse])
@pytest.mark.parametrize("amount", [0.0, 0.5, 0.97, 1.0])
@pytest.mark.parametrize(("name", "config"), [
    ("lenet", {}), ("lenet", {"channels": [2, 5], "hidden": [30, 20]}), ("resnet8", {}),
    ("resnet8", {"widths": [8, 3, 8, 5, 6, 7, 9]})])
def test_a_file_builds_the_same_model_again_bit_for_bit(save, amount, name, config, tmp_path):
    model = pruned(build(name, **config), amount)
    back = files.load_file(save(model, tmp_path / "model.safetensors"))
    assert type(back) is type(model)
    assert back.config == model.config
    assert not any(module.training for module in back.modules())
    assert bits(back) == bits(model)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, 1e-45]), min_size=1, max_size=60),
       st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]))
def test_the_sparse_form_keeps_every_bit_minus_zero_and_nan_included(tmp_path_factory, values, dtype):
    model = nn.Linear(len(values), 40, bias=False)
    model.weight = nn.Parameter(torch.zeros(40, len(values), dtype=dtype))
    model.weight.data[3] = torch.tensor(values, dtype=dtype)
    path = files.save_sparse(model, tmp_path_factory.mktemp("sparse") / "model")
    assert "weight#mask" in load_tensors(path)
    like = nn.Linear(len(values), 40, bias=False, dtype=dtype)
    assert bits(files.load_file(path, like=like)) == bits(model)


def test_any_safetensors_reader_reads_the_dense_file(tmp_path):
    model = LeNet()
    tensors = load_tensors(files.save_dense(model, tmp_path / "model.safetensors"))
    assert all(torch.equal(tensors[name], tensor) for name, tensor in model.state_dict().items())


def test_sizes_are_those_of_real_files(tmp_path):
    model = pruned(ResNet8(), 0.8)
    dense = files.save_dense(model, tmp_path / "dense")
    assert files.file_bytes(model) == dense.stat().st_size
    assert files.sparse_bytes(model) == files.save_sparse(model, tmp_path / "sparse").stat().st_size
    with gzip.open(tmp_path / "dense.gz", "wb", compresslevel=6) as file:
        file.write(dense.read_bytes())
    name_in_header = len("dense") + 1  # gzip.open stores the file name, ended by a zero byte
    assert files.gzip_bytes(model) == (tmp_path / "dense.gz").stat().st_size - name_in_header


def test_a_mask_makes_the_sparse_file_smaller_and_the_dense_one_not():
    model = LeNet()
    half, most = pruned(model, 0.5), pruned(model, 0.9)
    assert files.file_bytes(half) == files.file_bytes(most) == files.file_bytes(model)
    assert files.sparse_bytes(most) < files.sparse_bytes(half) < files.sparse_bytes(model)
    assert files.gzip_bytes(most) < files.gzip_bytes(half) < files.gzip_bytes(model)
    # 90 % of 61,470 weights gone: 6,147 x 4 bytes of values, a bit for each weight, 236 biases, and the header.
    assert files.sparse_bytes(most) == pytest.approx(6_147 * 4 + 61_470 / 8 + 236 * 4, abs=1_600)


def test_without_zeros_the_sparse_file_is_the_dense_one_but_for_its_header():
    model = LeNet()
    assert 0 <= files.sparse_bytes(model) - files.file_bytes(model) < 32


def test_weights_held_at_zero_through_training_take_no_room():
    # Multiplied by its mask, a negative weight becomes -0.0: equal to zero, but its bits are not, and files grow.
    torch.manual_seed(0)
    model = pruned(LeNet(), 0.9)
    size, mask = files.sparse_bytes(model), {"fc1.weight": model.fc1.weight != 0, "fc2.weight": model.fc2.weight != 0}
    split = SimpleNamespace(images=torch.randn(64, 1, 28, 28), labels=torch.randint(10, (64,)))
    fit(model, SimpleNamespace(train=split, validation=split), Recipe(epochs=1, batch_size=16), masks=mask,
        progress=False)
    for name, keep in mask.items():
        assert not model.state_dict()[name].view(torch.int32)[~keep].any()
    # The convolutions and fc3 had no mask, and training filled them again: 3,390 weights.
    assert files.sparse_bytes(model) <= size + 4 * 3_390


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = pruned(LeNet(), 0.6)
    for save in (files.save_dense, files.save_sparse):
        assert save(model, tmp_path / "a").read_bytes() == save(copy.deepcopy(model), tmp_path / "b").read_bytes()


def test_saving_leaves_the_model_alone_even_in_a_strange_memory_format(tmp_path):
    model = ResNet8().to(memory_format=torch.channels_last).train()
    before, modes = bits(model), [module.training for module in model.modules()]
    strides = model.conv.weight.stride()
    back = files.load_file(files.save_sparse(model, tmp_path / "model"))
    assert bits(back) == bits(model) == before
    assert [module.training for module in model.modules()] == modes
    assert model.conv.weight.stride() == strides


def test_weights_shared_by_two_layers_are_saved(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    like = copy.deepcopy(model)
    like[0].weight.data.zero_()
    assert bits(files.load_file(files.save_dense(model, tmp_path / "model"), like=like)) == bits(model)


def test_a_network_of_your_own_comes_back_into_a_copy_of_its_like(tmp_path):
    model, like = nn.Linear(4, 3), nn.Linear(4, 3)
    before = bits(like)
    assert bits(files.load_file(files.save_dense(model, tmp_path / "model"), like=like)) == bits(model)
    assert bits(like) == before


def test_a_failed_save_leaves_the_older_file_whole(tmp_path, monkeypatch):
    path = files.save_dense(LeNet(), tmp_path / "model")
    before = path.read_bytes()

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        files.save_dense(LeNet(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_or_the_new_one_never_a_half(tmp_path):
    path = files.save_dense(LeNet(), tmp_path / "model")
    before = path.read_bytes()
    with path.open("rb") as reader:  # opened before the save: it goes on reading the file that it opened
        files.save_dense(LeNet(), path)
        assert reader.read() == before
    assert path.read_bytes() != before
    assert list(tmp_path.iterdir()) == [path]


def test_messages_show_value_rule_and_fix(tmp_path):
    path = files.save_dense(nn.Linear(4, 3), tmp_path / "mine")
    foreign, cut, faulty = tmp_path / "foreign", tmp_path / "cut", tmp_path / "faulty"
    save_file({"x": torch.zeros(2)}, foreign)
    cut.write_bytes(path.read_bytes()[:-5])
    header = {"architecture": None, "config": {}, "sparse": {"weight": [3, 4]}}
    save_file({"weight#values": torch.zeros(2), "weight#mask": torch.tensor([1, 0], dtype=torch.uint8)}, faulty,
              {"shrinklab": json.dumps(header)})
    again = "save the model again with one of them"
    cases = [
        (lambda: files.load_file(path), "holds a network of the unknown kind None; lenet, resnet8.*; pass like="),
        (lambda: files.load_file(path, like=nn.Linear(4, 5)), "does not fit: .*size mismatch.*; pass as like="),
        (lambda: files.load_file(foreign), f"foreign cannot be read .*{again}"),
        (lambda: files.load_file(cut), f"cut cannot be read .*{again}"),
        (lambda: files.load_file(faulty), f"faulty cannot be read .*marks 1 places for 2 values.*{again}"),
        (lambda: files.save_dense(LeNet(), tmp_path / "no" / "model"), "the folder .*no does not exist; .*; make"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=r"(?s)" + message):
            call()
    with pytest.raises(FileNotFoundError, match="absent is not there; load_file reads an existing file; check"):
        files.load_file(tmp_path / "absent")
