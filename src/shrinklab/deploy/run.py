"""Run a model's file in a fresh process: python -m shrinklab.deploy.run FILE IMAGES.npy LOGITS.npy

IMAGES.npy holds float images (N, C, H, W); the logits (N, classes) are written to LOGITS.npy. An ONNX file is run
without importing torch: what is deployed needs no training framework.
"""

import argparse

import numpy as np

from shrinklab.deploy import load_runner


def main(arguments=None):
    """The command; arguments: the words after its name, or None for those of the command line."""
    parser = argparse.ArgumentParser(prog="python -m shrinklab.deploy.run", description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a file of shrinklab.deploy.export")
    parser.add_argument("images", help="a .npy file of float images (N, C, H, W)")
    parser.add_argument("logits", help="the .npy file to write")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=500, help="images at a time")
    options = parser.parse_args(arguments)
    try:
        runner, images = load_runner(options.file, threads=options.threads), np.load(options.images)
        batches = [runner.run(images[i : i + options.batch]) for i in range(0, len(images), options.batch)]
    except (ImportError, OSError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    np.save(options.logits, np.concatenate(batches))


if __name__ == "__main__":
    main()
