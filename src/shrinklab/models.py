"""The networks of the course: small enough to train on a laptop, real enough to matter.

Each network is described by its name and a few integers, its `config`; `build(name, **config)` makes it again.
That pair is all that a weights file, a pruned network or a graded answer has to carry besides the tensors.
"""

import hashlib
import json
from importlib import resources

import safetensors.torch
import torch  # noqa: F401  (the examples use it)
from torch import nn

from shrinklab.errors import need


class LeNet(nn.Module):
    """LeNet-5 for 28x28 grey images, with ReLU and max pooling; images (N, 1, 28, 28) -> logits (N, 10).

    channels: filters of the two convolutions; hidden: units of the two hidden linear layers.
    The default has 61,706 parameters.
    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    >>> sum(p.numel() for p in LeNet().parameters())
    61706
    """

    def __init__(self, channels=(6, 16), hidden=(120, 84)):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 5, padding=2)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 5)
        self.fc1 = nn.Linear(channels[1] * 25, hidden[0])
        self.fc2 = nn.Linear(hidden[0], hidden[1])
        self.fc3 = nn.Linear(hidden[1], 10)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()

    @property
    def config(self):
        """What `build` needs, read off the layers, so that it also fits after channels were removed."""
        return {"channels": [self.conv1.out_channels, self.conv2.out_channels],
                "hidden": [self.fc1.out_features, self.fc2.out_features]}

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.relu(self.fc1(x.flatten(1)))
        return self.fc3(self.relu(self.fc2(x)))


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, added to a shortcut: (N, inputs, H, W) -> (N, outputs, H/stride, ...)."""

    def __init__(self, inputs, inner, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        # As in MLPerf Tiny: where the shape changes, a plain 1x1 convolution with bias and no batch norm.
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride) if stride != 1 else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class _ResNet(nn.Module):
    """A stem, blocks of two 3x3 convolutions, average pooling and one linear layer; subclasses say the strides."""

    STRIDES = ()

    def __init__(self, widths):
        super().__init__()
        name, blocks, length = type(self).__name__, len(self.STRIDES), 1 + 2 * len(self.STRIDES)
        need(len(widths) == length, f"widths is {tuple(widths)}",
             f"{name} has {length} widths: stem, then inner and outer of {blocks} blocks",
             f"give {length} integers, such as those of {name}().config")
        self.conv = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        for i, stride in enumerate(self.STRIDES):
            inputs, inner, outer = widths[2 * i : 2 * i + 3]
            need(stride != 1 or inputs == outer, f"widths is {tuple(widths)}",
                 f"block {i + 1} adds its input to its output, so positions {2 * i} and {2 * i + 2} must agree",
                 "make both the same number")
            self.add_module(f"block{i + 1}", Block(inputs, inner, outer, stride))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], 10)
        self.relu = nn.ReLU()

    @property
    def config(self):
        """What `build` needs, read off the layers, so that it also fits after channels were removed."""
        inner_outer = [conv.out_channels for block in self._blocks() for conv in (block.conv1, block.conv2)]
        return {"widths": [self.conv.out_channels, *inner_outer]}

    def _blocks(self):
        return [self.get_submodule(f"block{i + 1}") for i in range(len(self.STRIDES))]

    def forward(self, x):
        x = self.relu(self.bn(self.conv(x)))
        for block in self._blocks():
            x = block(x)
        return self.fc(self.pool(x).flatten(1))


class ResNet8(_ResNet):
    """The image classifier of MLPerf Tiny: images (N, 3, 32, 32) -> logits (N, 10); 77,946 parameters.

    widths: the stem's channels, then (inner, outer) of each of the three blocks; a residual addition ties the
    stem to the first block's outer width.
    Source: Banbury et al., "MLPerf Tiny Benchmark", 2021.

    >>> ResNet8()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    STRIDES = 1, 2, 2

    def __init__(self, widths=(16, 16, 16, 32, 32, 64, 64)):
        super().__init__(widths)


class ResNet12(_ResNet):
    """A wider and deeper sibling of ResNet8, with more to remove: (N, 3, 32, 32) -> (N, 10); 1,439,002 parameters.

    widths: the stem's channels, then (inner, outer) of each of the five blocks; residual additions tie positions 0
    and 2, and positions 6 and 8.

    >>> ResNet12()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    STRIDES = 1, 2, 2, 1, 2

    def __init__(self, widths=(48, 48, 48, 96, 96, 128, 128, 128, 128, 192, 256)):
        super().__init__(widths)


class Separable(nn.Module):
    """A depthwise 3x3 convolution, then a pointwise 1x1 one, each with batch norm and ReLU.

    (N, inputs, H, W) -> (N, outputs, H/stride, W/stride).
    """

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.bn1(self.depthwise(x)))
        return self.relu(self.bn2(self.pointwise(x)))


class MobileNet(nn.Module):
    """A small MobileNet for 32x32 images: (N, 3, 32, 32) -> logits (N, 10); 55,210 parameters.

    widths: the stem's channels, then those of the six separable blocks.
    Source: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017.

    >>> MobileNet()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    STRIDES = 1, 2, 1, 2, 1, 1

    def __init__(self, widths=(16, 32, 64, 64, 128, 128, 128)):
        super().__init__()
        need(len(widths) == 1 + len(self.STRIDES), f"widths is {tuple(widths)}",
             "MobileNet has seven widths: stem, then six blocks",
             "give seven integers, for example (16, 32, 64, 64, 128, 128, 128)")
        self.conv = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        pairs = zip(widths, widths[1:], self.STRIDES, strict=False)
        self.blocks = nn.Sequential(*(Separable(*pair) for pair in pairs))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], 10)
        self.relu = nn.ReLU()

    @property
    def config(self):
        """What `build` needs, read off the layers, so that it also fits after channels were removed."""
        return {"widths": [self.conv.out_channels, *(block.pointwise.out_channels for block in self.blocks)]}

    def forward(self, x):
        x = self.blocks(self.relu(self.bn(self.conv(x))))
        return self.fc(self.pool(x).flatten(1))


ARCHITECTURES = {"lenet": LeNet, "resnet8": ResNet8, "resnet12": ResNet12, "mobilenet": MobileNet}
DATA_OF = {"lenet": "mnist", "resnet8": "cifar10", "resnet12": "cifar10", "mobilenet": "cifar10"}
WEIGHTS = resources.files("shrinklab") / "weights"


def build(name, **config):
    """Make an untrained network by name ("lenet", "resnet8", "resnet12", "mobilenet"), with the widths in config.

    >>> build("lenet", channels=[3, 8]).conv2
    Conv2d(3, 8, kernel_size=(5, 5), stride=(1, 1))
    """
    need(name in ARCHITECTURES, f"the model name is {name!r}", f"known names are {', '.join(ARCHITECTURES)}",
         "use one of them")
    return ARCHITECTURES[name](**config)


def architecture(model):
    """The name under which `build` makes such a model.

    >>> architecture(LeNet())
    'lenet'
    """
    for name, kind in ARCHITECTURES.items():
        if type(model) is kind:
            return name
    raise ValueError(f"the model is a {type(model).__name__}; only {', '.join(ARCHITECTURES)} are known by name; "
                     "build your model from one of them")


def pretrained(name):
    """A trained network in evaluation mode, from the weights that travel with the package.

    name: "lenet" (MNIST), "resnet8", "resnet12" or "mobilenet" (CIFAR-10). Raises OSError when the file is not the
    one of its model card.

    >>> pretrained("lenet").fc3
    Linear(in_features=84, out_features=10, bias=True)
    """
    with torch.random.fork_rng(devices=[]):  # the layers draw their first weights, which nobody sees
        model = build(name, **card(name)["config"])
    path = WEIGHTS / f"{name}.safetensors"
    raw = path.read_bytes()
    got, stated = hashlib.sha256(raw).hexdigest(), card(name)["sha256"]
    need(got == stated, f"{path.name} has SHA-256 {got[:12]}…", f"its model card says {stated[:12]}…",
         "reinstall shrinklab, or retrain it with `make baselines`", OSError)
    model.load_state_dict(safetensors.torch.load(raw))
    return model.eval()


def card(name):
    """The model card: recipe, seed, epochs, minutes, validation and test accuracy, SHA-256 of the weights file.

    >>> card("lenet")["data"]
    'mnist'
    """
    need(name in ARCHITECTURES, f"the model name is {name!r}", f"known names are {', '.join(ARCHITECTURES)}",
         "use one of them")
    return json.loads((WEIGHTS / f"{name}.json").read_text())
