"""Residual networks for images.

Source      arXiv:1512.03385, He, Zhang, Ren, Sun, 2015; the 3x3 stem for small images is the field's habit.
Reads       normalised images (B, C, H, W).
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from datapare.data import Inputs
from datapare.training.config import TrainingConfig
from datapare.training.networks.classifier import Classifier

# name: (block, blocks per stage)
RESNETS: dict[str, tuple[str, tuple[int, ...]]] = {
    "resnet8": ("basic", (1, 1, 1)),
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
}

NAMES = tuple(RESNETS)
KINDS = ("image",)


def build(inputs: Inputs, num_classes: int, config: TrainingConfig) -> nn.Module:
    """Return the residual network that the settings name, for images of this size."""
    shape = inputs.array.shape[1:]
    return ResNet(config.model, num_classes, channels=shape[2], width=config.width, stem=image_stem(shape))


class Pointwise(nn.Conv2d):
    """A 1x1 convolution that reads every `stride`-th pixel, as nn.Conv2d does.

    The gradient of nn.Conv2d itself writes past its memory on processors with AVX2 and no more, for fewer than eight
    input channels (oneDNN in torch 2.13).
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Conv2d gives it
        """Return the convolution (B, wide_out, H / stride, W / stride)."""
        return conv2d(input[..., :: self.stride[0], :: self.stride[1]], self.weight)


def convolution(wide_in: int, wide_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm, same padding, He-normal weights."""
    make = Pointwise if kernel == 1 else nn.Conv2d
    conv = make(wide_in, wide_out, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(wide_out))


class Block(nn.Module):
    """Two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck, four times as wide at its end) around a shortcut."""

    def __init__(self, wide_in: int, width: int, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        self.wide_out = width * 4 if bottleneck else width
        if bottleneck:
            layers = [convolution(wide_in, width, 1), nn.ReLU(inplace=True), convolution(width, width, 3, stride)]
            layers += [nn.ReLU(inplace=True), convolution(width, self.wide_out, 1)]
        else:
            layers = [convolution(wide_in, width, 3, stride), nn.ReLU(inplace=True), convolution(width, width, 3)]
        self.body = nn.Sequential(*layers)
        same = stride == 1 and wide_in == self.wide_out
        self.shortcut = nn.Identity() if same else convolution(wide_in, self.wide_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return relu(self.body(x) + self.shortcut(x), inplace=True)


class ResNet(Classifier):
    """A residual network; `stem` 3 keeps the resolution of small images, 7 divides it by four.

    >>> net = ResNet("resnet18", 10, channels=3)
    >>> sum(p.numel() for p in net.parameters())
    11173962
    """

    def __init__(self, name: str, n_classes: int, *, channels: int, width: int = 64, stem: int = 3) -> None:
        super().__init__()
        kind, depths = RESNETS[name]
        layers: list[nn.Module] = [convolution(channels, width, stem, 1 if stem == 3 else 2), nn.ReLU(inplace=True)]
        if stem != 3:
            layers.append(nn.MaxPool2d(3, 2, 1))
        wide = width
        for stage, depth in enumerate(depths):
            for position in range(depth):
                stride = 2 if stage > 0 and position == 0 else 1
                block = Block(wide, width * 2**stage, stride, bottleneck=kind == "bottleneck")
                layers.append(block)
                wide = block.wide_out
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(wide, n_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the globally averaged features (B, d)."""
        # .mean, not adaptive pooling: the gradient of the latter is not deterministic on CUDA
        maps: Tensor = self.body(x)
        return maps.float().mean((2, 3))


def image_stem(shape: Sequence[int]) -> int:
    """Kernel of the first convolution for images (H, W, C): 3 up to 64 pixels, 7 (and a quarter of the size) beyond."""
    return 3 if max(shape[0], shape[1]) <= 64 else 7
