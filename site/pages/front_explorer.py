from shrinklab.data import load
from shrinklab.files import file_bytes, sparse_bytes
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.widgets import Bars, Explorer, Lines, Range, Select

NETWORKS = {"lenet": ("LeNet", "handwritten digits"), "resnet8": ("ResNet8", "small colour photos")}
DATA = {"lenet": "mnist", "resnet8": "cifar10"}
STEPS = [round(0.05 * step, 2) for step in range(20)]
models = {name: pretrained(name) for name in NETWORKS}
images = {name: load(DATA[name]).validation[:1000] for name in NETWORKS}
pruned = {(name, amount): apply_masks(models[name], global_masks(models[name], amount))
          for name in NETWORKS for amount in STEPS}
right = {key: accuracy(network, images[key[0]]) for key, network in pruned.items()}
sizes = {key: sparse_bytes(network) for key, network in pruned.items()}


def settings(network, amount):
    name, share, size = NETWORKS[network][0], right[network, amount], sizes[network, amount]
    whole = file_bytes(models[network])
    curves = [{"name": title, "x": STEPS, "y": [right[key, step] for step in STEPS]}
              for key, (title, _) in NETWORKS.items()]
    return {
        "headline": f"{name} without {amount:.0%} of its weights: {share:.1%} of 1,000 images right, "
                    f"in a file of {size / 1000:,.0f} kB.".replace("%", " %"),
        "numbers": {"accuracy": {"value": share, "unit": "%", "text": f"{share:.1%}".replace("%", " %")},
                    "packed file": {"value": size, "unit": "bytes", "text": f"{size:,} bytes"},
                    "of the whole file": {"value": size / whole, "unit": "%", "text": f"{size / whole:.0%}".replace(
                        "%", " %")}},
        "curve": {"series": curves, "marker": amount},
        "file": {"labels": ["whole network", "zeros packed"], "values": [whole / 1000, size / 1000], "unit": "kB"},
    }


Explorer(settings, [
    Range("amount", 0.0, 0.95, step=0.05, value=0.5, label="Share of weights removed", percent=True),
    Select("network", [(f"{title}, {what}", name) for name, (title, what) in NETWORKS.items()], label="Network"),
], [
    Lines("curve", "How many images it still gets right", x="share of weights removed", y="accuracy", percent="xy",
          y_range=(0.0, 1.0)),
    Bars("file", "Size of the saved file", x="kilobytes (1 kB = 1,000 bytes)"),
], title="Try it: delete the smallest weights of a trained network")
