"""What a contrastive or semi-supervised learner is told to ignore: random views of an image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drlcore.errors import ParameterError

View = Callable[[Tensor, torch.Generator], Tensor]

# The paper gives neither; these are our choices. 0.5 is about the standard deviation of an image
# in [-1, 1], so that image and noise are equally strong. The crop is the one usual for 32 x 32.
GAUSS_SIGMA = 0.5
CROP_SCALE = (0.2, 1.0)

# LaplaceNet's augmentation. A translation of an eighth of the side is the crop of the authors'
# code, 4 pixels of 32. Its RandAugment draws one or two of 14 operations for each image; kornia's
# draws them for the batch. So here every image gets the operations under which a digit stays one,
# each image its own strengths, which are our choice. No hue: it would take longer than all else.
SHIFT = 1 / 8
TURN, SHEAR, SCALE = 20.0, 10.0, (0.8, 1.2)
JITTER = 0.3
ERASED_AREA, ERASED_RATIO, ERASED_GREY = (0.02, 0.16), (0.5, 2.0), 0.5


def gauss_view(x0: Tensor, generator: torch.Generator) -> Tensor:
    """x0 + GAUSS_SIGMA * noise, pixel by pixel: a view that needs no knowledge of images."""
    noise = torch.randn(x0.shape, generator=generator, device=generator.device)
    return x0 + GAUSS_SIGMA * noise.to(x0)


class ImageView:
    """A random view of each image of a batch, each its own draw.

    Args:
        shape: (C, H, W) of an image.
        mirrored: whether a mirrored image is one of the same kind.

    Raises:
        ParameterError: ``shape`` is not that of an image.
    """

    def __init__(self, shape: tuple[int, ...], mirrored: bool) -> None:
        if len(shape) != 3:
            raise ParameterError(
                f"shape = {shape}: only images have such views; allowed: (C, H, W)"
            )
        self.steps = nn.Sequential(*self._steps(*shape, mirrored))

    def _steps(self, channels: int, height: int, width: int, mirrored: bool) -> list[nn.Module]:
        """What is done to images in [0, 1], in order; draws from the global generator."""
        raise NotImplementedError

    def __call__(self, x0: Tensor, generator: torch.Generator) -> Tensor:
        """A view of each image, (B, C, H, W) in [-1, 1] like the images themselves."""
        # kornia draws from the global generator, on the CPU whatever the device of x0.
        with torch.random.fork_rng(devices=[]):
            seed = torch.randint(2**62, (), generator=generator, device=generator.device)
            torch.default_generator.manual_seed(int(seed))
            return 2 * self.steps((x0 + 1) / 2) - 1


class FullView(ImageView):
    """SimCLR's augmentation (Chen et al. 2020, App. A), each image its own draw.

    Crop of 20 to 100 % of the area, resized; mirror with probability 1/2 where ``mirrored``; with
    three channels colour jitter (0.8, 0.8, 0.8, 0.2) with probability 0.8 and grey with 0.2;
    Gaussian blur, kernel a tenth of the side, sigma in [0.1, 2] pixels, with probability 1/2.
    """

    def _steps(self, channels: int, height: int, width: int, mirrored: bool) -> list[nn.Module]:
        from kornia import augmentation as kornia  # half a second, that most runs do not need

        # 'resample' crops the whole batch at once; 'slice' would loop over its images.
        steps: list[nn.Module] = [
            kornia.RandomResizedCrop((height, width), CROP_SCALE, cropping_mode="resample")
        ]
        if mirrored:
            steps += [kornia.RandomHorizontalFlip(p=0.5)]
        if channels == 3:
            steps += [kornia.ColorJitter(0.8, 0.8, 0.8, 0.2, p=0.8), kornia.RandomGrayscale(p=0.2)]
        kernel = max(3, min(height, width) // 10 | 1)
        return [*steps, kornia.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=0.5)]


class WeakView(ImageView):
    """LaplaceNet's weak augmentation, each image its own draw.

    Mirror with probability 1/2 where ``mirrored``; translation by whole pixels, uniform up to an
    eighth of the side in both directions, what enters reflected at the border. The authors' code
    does one operation of RandAugment more.
    """

    def _steps(self, channels: int, height: int, width: int, mirrored: bool) -> list[nn.Module]:
        from kornia import augmentation as kornia

        mirror = [kornia.RandomHorizontalFlip(p=0.5)] if mirrored else []
        return [*mirror, _Translation(int(SHIFT * height), int(SHIFT * width))]


class StrongView(WeakView):
    """LaplaceNet's strong augmentation, each image its own draw.

    The weak one; rotation up to 20 and shear up to 10 degrees, scale 0.8 to 1.2, the border
    repeated; brightness and contrast, and with three channels saturation, changed by up to 30 %;
    a rectangle of 2 to 16 % of the area turned mid-grey (cutout).
    """

    def _steps(self, channels: int, height: int, width: int, mirrored: bool) -> list[nn.Module]:
        from kornia import augmentation as kornia

        tones = (1 - JITTER, 1 + JITTER)
        return [
            *super()._steps(channels, height, width, mirrored),
            kornia.RandomAffine(TURN, None, SCALE, SHEAR, padding_mode="border", p=1.0),
            *(
                [kornia.ColorJitter(JITTER, JITTER, JITTER, p=1.0)]
                if channels == 3
                else [kornia.RandomBrightness(tones, p=1.0), kornia.RandomContrast(tones, p=1.0)]
            ),
            kornia.RandomErasing(ERASED_AREA, ERASED_RATIO, ERASED_GREY, p=1.0),
        ]


class _Translation(nn.Module):
    """Each image moved by up to so many rows and columns: kornia's RandomCrop, without its loop."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        padding = (self.columns, self.columns, self.rows, self.rows)
        windows = F.pad(x, padding, mode="reflect").unfold(2, height, 1).unfold(3, width, 1)
        row, column = (torch.randint(2 * k + 1, (n,)) for k in (self.rows, self.columns))
        return windows[torch.arange(n), :, row, column]
