"""Files of codebooks: codes against the entropy bound, every coding back and forth, and what a broken file says."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shrinklab.codebook import codebook_bytes, codebook_sizes, load_codebook, save_codebook, share_weights
from shrinklab.codebook.coding import CODINGS, decoded, encoded
from shrinklab.codebook.huffman import code_lengths, decode, encode
from shrinklab.files import save_dense
from shrinklab.masks import apply_masks, global_masks
from shrinklab.models import build, pretrained
from shrinklab.quantize import fold_batch_norm

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=256).filter(any)


@given(COUNTS)
def test_a_huffman_code_is_complete_and_within_a_bit_of_the_entropy(counts):
    lengths = code_lengths(counts)
    used = [int(length) for length in lengths if length]
    total = sum(counts)
    entropy = -sum(n / total * math.log2(n / total) for n in counts if n)
    mean = sum(n * int(length) for n, length in zip(counts, lengths, strict=True)) / total
    assert [bool(length) for length in lengths] == [bool(n) for n in counts]
    assert entropy - 1e-9 <= mean <= entropy + 1
    if len(used) > 1:
        assert sum(2.0**-length for length in used) == 1  # Kraft: no string of bits is left over


def test_powers_of_two_meet_the_entropy_and_long_codes_work():
    assert code_lengths([8, 4, 2, 1, 1]).tolist() == [1, 2, 3, 4, 4]
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(fibonacci)
    assert max(lengths) == 39
    symbols = np.arange(40).repeat(2)
    assert decode(encode(symbols, lengths), lengths, 80).tolist() == symbols.tolist()


@settings(deadline=None)
@given(st.integers(2, 8), st.integers(1, 400), st.floats(0.1, 5), st.sampled_from(list(CODINGS)), st.integers(0, 99))
def test_indices_come_back_from_every_coding(bits, count, skew, coding, seed):
    draws = np.random.default_rng(seed).random(count) ** skew
    indices = torch.from_numpy((draws * 2**bits).astype(np.uint8))
    name, content = encoded(indices, bits, coding)
    assert name == coding
    assert torch.equal(decoded(content, coding, bits, count), indices)
    if coding == "packed":
        assert len(content) == -(-count * bits // 8)
    best, shortest = encoded(indices, bits)
    assert len(shortest) <= len(content)
    assert torch.equal(decoded(shortest, best, bits, count), indices)


@pytest.mark.parametrize("name", ["lenet", "resnet8", "resnet12", "mobilenet"])
@pytest.mark.parametrize("folded", [False, True])
def test_a_file_loads_back_bit_for_bit(name, folded, tmp_path):
    torch.manual_seed(0)
    model = build(name)
    for parameter in model.parameters():  # batch norm that does something
        parameter.data += 0.1 * torch.randn_like(parameter)
    shared = share_weights(fold_batch_norm(model) if folded else model, 4).eval()
    path = save_codebook(shared, tmp_path / "small")
    back = load_codebook(path)
    ours, theirs = shared.state_dict(), back.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype for key in ours)
    assert save_codebook(back, tmp_path / "again").read_bytes() == path.read_bytes()
    assert back.source == shared.source
    assert not back.training


@pytest.mark.parametrize("coding", CODINGS)
def test_each_coding_loads_back_with_bits_of_the_layers_own(coding, tmp_path):
    shared = share_weights(pretrained("lenet"), 3, layers={"conv1": 5, "fc3": None, "fc2": 8})
    back = load_codebook(save_codebook(shared, tmp_path / "small", coding=coding))
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(back(x), shared(x))
    assert [layer.bits for layer in back.layers.values()] == [5, 3, 3, 8]


def test_a_network_of_ones_own_needs_like_and_stays_as_it_is(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.zeta, self.alpha = nn.Conv1d(2, 4, 3), nn.Linear(4, 2)  # names that a sorted header would swap

        def forward(self, x):
            return self.alpha(self.zeta(x).mean(2))

    model, like, x = Own(), Own(), torch.rand(2, 2, 8)
    before = like.zeta.weight.detach().clone()
    shared = share_weights(model, 3, layers={"alpha": 2})
    path = save_codebook(shared, tmp_path / "own")
    assert torch.equal(load_codebook(path, like)(x), shared(x))
    assert torch.equal(like.zeta.weight, before)
    with pytest.raises(ValueError, match="a network of the unknown kind None; .*; pass like=, a float model"):
        load_codebook(path)
    with pytest.raises(ValueError, match="holds layers zeta, alpha, which do not fit the model; .*; pass as like="):
        load_codebook(path, nn.Linear(4, 2))
    bare = share_weights(nn.Linear(4, 2), 2)
    again = load_codebook(save_codebook(bare, tmp_path / "bare"), nn.Linear(4, 2))
    assert torch.equal(again(torch.ones(1, 4)), bare(torch.ones(1, 4)))


def test_the_bytes_are_those_of_the_parts():
    shared = share_weights(pretrained("resnet8"), 4)
    table = codebook_sizes(shared)
    assert list(table["layer"]) == list(shared.layers)
    assert (table["packed_bytes"] == (table["weights"] * table["bits"] + 7) // 8).all()
    assert (table["huffman_bytes"] - 16 >= (table["entropy_bits"] * table["weights"] / 8).astype(int)).all()
    assert (table["huffman_bytes"] - 16 <= (table["entropy_bits"] + 1) * table["weights"] / 8 + 1).all()
    rest = sum(t.nbytes for name, t in shared.state_dict().items() if not name.endswith(("indices", "centroids")))
    for coding in CODINGS:
        parts = table["table_bytes"].sum() + table[f"{coding}_bytes"].sum() + rest
        assert parts < codebook_bytes(shared, coding=coding) < parts + 1500  # a header
    chosen = table[["packed_bytes", "huffman_bytes", "gzip_bytes"]].min(axis=1).sum()
    assert parts - table["gzip_bytes"].sum() + chosen < codebook_bytes(shared) <= codebook_bytes(shared, coding="gzip")


def test_after_pruning_the_file_is_much_smaller():
    model = pretrained("lenet")
    pruned = apply_masks(model, global_masks(model, 0.9))
    assert codebook_bytes(share_weights(pruned, 4)) < codebook_bytes(share_weights(model, 4)) / 2


def test_broken_and_foreign_files_are_refused(tmp_path):
    shared = share_weights(build("lenet"), 4)
    with pytest.raises(ValueError, match="the model is a LeNet; save_codebook writes a CodebookModel; make one with"):
        save_codebook(build("lenet"), tmp_path / "x")
    with pytest.raises(ValueError, match="coding is 'zip'; known codings are packed, huffman, gzip; use one of them"):
        save_codebook(shared, tmp_path / "x", coding="zip")
    assert not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match="dense holds no codebooks; .*; use load_file, or load_quantized"):
        load_codebook(save_dense(build("lenet"), tmp_path / "dense"))
    with pytest.raises(FileNotFoundError, match="none is not there"):
        load_codebook(tmp_path / "none")
    for coding in CODINGS:
        path = save_codebook(shared, tmp_path / "small", coding=coding)
        content = path.read_bytes()
        path.write_bytes(content[:-100])
        with pytest.raises(ValueError, match="small cannot be read"):
            load_codebook(path)
        start = 8 + int.from_bytes(content[:8], "little")
        span = json.loads(content[8:start])["indices"]["data_offsets"]
        spoilt = bytes(b ^ 0xFF if start + span[0] <= i < start + span[1] else b for i, b in enumerate(content))
        path.write_bytes(spoilt)
        if coding != "packed":  # every string of packed bits is some string of indices
            with pytest.raises(ValueError, match="small cannot be read .*; save the model again"):
                load_codebook(path)
