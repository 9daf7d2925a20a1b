"""Small convolutional networks for small images: a teacher and a tiny student where no text is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kdviz.models.model import Model
from kdviz.models.network import Network, Outputs

if TYPE_CHECKING:
    from kdviz.data.task import Task

# values of a row -> (channels, height, width), the brightest value: scikit-learn's digits, CIFAR-10
IMAGES = {64: ((1, 8, 8), 16), 3072: ((3, 32, 32), 255)}


class ConvNet(Network):
    """Blocks of convolution, ReLU and halving; a linear classifier of what is left of the image.

    image    : (channels, height, width)   channels : of each block   classes : C
    brightest : value of a white pixel, by which pixels are divided
    """

    kind = "conv"
    heads = None
    fields = frozenset({"logits"})

    def __init__(self, image, channels, classes: int, brightest: int = 16):
        super().__init__()
        self.image, self.channels, self.classes, self.brightest = tuple(image), tuple(channels), classes, brightest
        blocks = [
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            for before, after in zip((image[0], *channels), channels)
        ]
        left = channels[-1] * (image[1] >> len(channels)) * (image[2] >> len(channels))
        self.blocks, self.classifier = nn.Sequential(*blocks), nn.Linear(left, classes)
        self.layers, self.width = len(channels), channels[-1]
        self.max_length = image[0] * image[1] * image[2]

    @property
    def description(self) -> str:
        return f"convolutional, channels {self.channels}"

    def forward(self, input_ids, attention_mask, token_type_ids, vectors, want) -> Outputs:
        """input_ids (B, pixels), whole numbers from 0 to `brightest`, read in the order channel, row, column."""
        pixels = input_ids.to(self.classifier.weight.dtype).div(self.brightest).unflatten(1, self.image)
        return Outputs(logits=self.classifier(self.blocks(pixels).flatten(1)))

    def settings(self) -> dict:
        return {"image": self.image, "channels": self.channels, "classes": self.classes, "brightest": self.brightest}


def conv_net(task: Task, channels=(4, 8), *, role: str = "student", seed: int = 0) -> Model:
    """A new convolutional classifier for a task of images (``"digits"``, ``"cifar10"``); more channels make a teacher.

    Raises ValueError for a task of texts, and for images too small for so many halvings.
    """
    train = task["train"]
    pixels = len(train[0]["input_ids"]) if "input_ids" in train.column_names else 0
    if pixels not in IMAGES:
        raise ValueError(f"task {task.name!r} has rows of {pixels} pixels; known are {', '.join(map(str, IMAGES))}")
    image, brightest = IMAGES[pixels]
    if not channels or min(channels) < 1 or min(image[1:]) < 2 ** len(channels):
        raise ValueError(
            f"channels={tuple(channels)}: 1 to {min(image[1:]).bit_length() - 1} blocks of 1 or more channels"
        )
    settings = {"image": image, "channels": tuple(channels), "classes": len(task.labels), "brightest": brightest}
    network = ConvNet.from_settings(settings, seed)
    return Model(network, None, name=role, role=role, labels=task.labels).eval()
