"""Huffman's code: frequent symbols get short bit strings, and none is the start of another.

Canonical, so that the lengths alone tell the code. Source: Huffman, "A Method for the Construction of
Minimum-Redundancy Codes", 1952; for the canonical form RFC 1951, section 3.2.2.
"""

import heapq

import numpy as np

from shrinklab.errors import need


def code_lengths(counts):
    """Bits of each symbol's code: how often each symbol occurs, (K,) -> uint8 (K,); 0 for symbols that do not.

    >>> code_lengths([5, 1, 1, 0]).tolist()
    [1, 2, 2, 0]
    """
    lengths = np.zeros(len(counts), np.uint8)
    # Equal counts are taken in order, so that the same counts always give the same code.
    heap = [(int(count), symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][2]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        lengths[first[2] + second[2]] += 1
        heapq.heappush(heap, (first[0] + second[0], first[1], first[2] + second[2]))
    return lengths


def encode(symbols, lengths):
    """Symbols (N,), integers -> uint8 bytes; the last byte is filled with zeros.

    >>> encode([0, 1, 0, 2], [1, 2, 2]).tolist()  # 0 10 0 11
    [76]
    """
    symbols, codes, lengths = np.asarray(symbols, np.int64), _codes(lengths), np.asarray(lengths)
    places = np.arange(int(lengths.max(initial=0)))
    rows = ((codes[:, None] >> places[::-1]) & 1).astype(np.uint8)  # each symbol's bits, and what fills the row
    used = places < lengths[:, None]
    return np.packbits(rows[symbols][used[symbols]])


def decode(packed, lengths, count):
    """The way back: uint8 bytes, the code's lengths (K,) -> the first `count` symbols, uint8 (count,).

    >>> decode(np.array([76], np.uint8), [1, 2, 2], 4).tolist()
    [0, 1, 0, 2]
    """
    lengths = np.asarray(lengths)
    longest, codes = int(lengths.max()), _codes(lengths)
    used = np.flatnonzero(lengths)
    used = used[np.argsort(codes[used], kind="stable")]
    bits = np.concatenate([np.unpackbits(packed), np.zeros(longest, np.uint8)])
    # At every place the symbol whose code would start there; of these, the ones where a code does start.
    window = np.zeros(len(bits) - longest + 1, np.int64)
    for place in range(longest):
        window |= bits[place : place + len(window)].astype(np.int64) << (longest - 1 - place)
    symbol = used[np.searchsorted(codes[used], window, side="right") - 1]
    following, starts, at = (np.arange(len(symbol)) + lengths[symbol]).tolist(), [], 0
    for _ in range(count):
        need(at < len(following) - 1, f"the code ends after {len(starts)} of {count} symbols",
             "every symbol has its bits", "save the file again")
        starts.append(at)
        at = following[at]
    return symbol[starts].astype(np.uint8)


def _codes(lengths):
    """The canonical codes, int64 (K,), each followed by zeros up to the longest: shorter codes are smaller numbers."""
    lengths = np.asarray(lengths).astype(np.int64)
    order = np.lexsort((np.arange(len(lengths)), lengths))
    order = order[lengths[order] > 0]
    sizes = 1 << (lengths.max(initial=0) - lengths[order])
    codes = np.zeros(len(lengths), np.int64)
    codes[order] = np.cumsum(sizes) - sizes
    return codes
