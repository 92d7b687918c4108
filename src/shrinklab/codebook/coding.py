"""Three ways to write a layer's indices: so many bits each, a Huffman code, or packed bits after gzip's compression.

Which is shortest depends on how unequal the indices are: after pruning, most of them stand for 0, and Huffman's code
gives that one a single bit. Gzip's method (DEFLATE, RFC 1951) also sees repeats, but works on bytes of several indices.
"""

import zlib

import numpy as np
import torch

from shrinklab.codebook import huffman
from shrinklab.quantize.file import pack, unpack


def _pack(indices, bits):
    return pack(indices, bits).numpy()


def _unpack(content, bits, count):
    return unpack(torch.from_numpy(content), bits, count)


def _huffman(indices, bits):
    """The code's lengths, a byte for each of the 2^bits symbols, then the codes."""
    symbols = indices.flatten().numpy()
    lengths = huffman.code_lengths(np.bincount(symbols, minlength=2**bits))
    return np.concatenate([lengths, huffman.encode(symbols, lengths)])


def _unhuffman(content, bits, count):
    return torch.from_numpy(huffman.decode(content[2**bits:], content[:2**bits], count))


def _gzip(indices, bits):
    return np.frombuffer(zlib.compress(_pack(indices, bits).tobytes(), 9), np.uint8)


def _gunzip(content, bits, count):
    return _unpack(np.frombuffer(bytearray(zlib.decompress(content.tobytes())), np.uint8), bits, count)


CODINGS = {"packed": (_pack, _unpack), "huffman": (_huffman, _unhuffman), "gzip": (_gzip, _gunzip)}


def encoded(indices, bits, coding=None):
    """Indices 0 to 2^bits - 1 (uint8, any shape) -> (name of the coding, uint8 tensor); the shortest unless named.

    >>> name, content = encoded(torch.tensor([3] * 1000 + [1], dtype=torch.uint8), 2)
    >>> name, len(content) < 30  # and not 251 bytes
    ('gzip', True)
    """
    names = CODINGS if coding is None else (coding,)
    written = {name: CODINGS[name][0](indices, bits) for name in names}
    best = min(written, key=lambda name: len(written[name]))
    return best, torch.from_numpy(written[best].copy())


def decoded(content, coding, bits, count):
    """The way back: uint8 bytes -> uint8 (count,).

    >>> decoded(torch.tensor([0b11100100], dtype=torch.uint8), "packed", 2, 4)
    tensor([3, 2, 1, 0], dtype=torch.uint8)
    """
    return CODINGS[coding][1](content.numpy(), bits, count)
