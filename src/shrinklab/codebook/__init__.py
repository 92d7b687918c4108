"""Codebooks: the weights of a layer share a few values, so that a file holds short indices and a table."""

from shrinklab.codebook.file import codebook_bytes, codebook_sizes, load_codebook, save_codebook
from shrinklab.codebook.kmeans import inertia, kmeans, nearest
from shrinklab.codebook.model import CodebookModel, share_weights, shareable
from shrinklab.codebook.tuning import tune_centroids

__all__ = ["CodebookModel", "codebook_bytes", "codebook_sizes", "inertia", "kmeans", "load_codebook", "nearest",
           "save_codebook", "share_weights", "shareable", "tune_centroids"]
