"""What a contrastive learner is told to ignore: the random views of an image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from kornia import augmentation as kornia
from torch import Tensor, nn

View = Callable[[Tensor, torch.Generator], Tensor]

# The paper gives neither; these are our choices. 0.5 is about the standard deviation of an image
# in [-1, 1], so that image and noise are equally strong. The crop is the one usual for 32 x 32.
GAUSS_SIGMA = 0.5
CROP_SCALE = (0.2, 1.0)

# A mirrored digit or letter is another sign or none; of a user's own images we do not know.
MIRRORED = ("cifar10", "cifar100", "mini-imagenet", "fashion-mnist")


def gauss_view(x0: Tensor, generator: torch.Generator) -> Tensor:
    """x0 + GAUSS_SIGMA * noise, pixel by pixel: a view that needs no knowledge of images."""
    return x0 + GAUSS_SIGMA * torch.randn(x0.shape, generator=generator).to(x0)


class FullView:
    """SimCLR's augmentation (Chen et al. 2020, App. A), each image its own draw.

    Crop of 20 to 100 % of the area, resized; mirror with probability 1/2 where ``mirrored``; with
    three channels colour jitter (0.8, 0.8, 0.8, 0.2) with probability 0.8 and grey with 0.2;
    Gaussian blur, kernel a tenth of the side, sigma in [0.1, 2] pixels, with probability 1/2.

    Args:
        shape: (C, H, W) of an image.
        mirrored: whether a mirrored image is one of the same kind.
    """

    def __init__(self, shape: tuple[int, ...], mirrored: bool) -> None:
        channels, height, width = shape
        # 'resample' crops the whole batch at once; 'slice' would loop over its images.
        steps: list[nn.Module] = [
            kornia.RandomResizedCrop((height, width), CROP_SCALE, cropping_mode="resample")
        ]
        if mirrored:
            steps += [kornia.RandomHorizontalFlip(p=0.5)]
        if channels == 3:
            steps += [kornia.ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8), kornia.RandomGrayscale(p=0.2)]
        kernel = max(3, min(height, width) // 10 | 1)
        steps += [kornia.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5)]
        self.steps = nn.Sequential(*steps)

    def __call__(self, x0: Tensor, generator: torch.Generator) -> Tensor:
        """A view of each image, (B, C, H, W) in [-1, 1] like the images themselves."""
        # kornia draws from the global generator, on the CPU whatever the device of x0.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            return 2 * self.steps((x0 + 1) / 2) - 1
