"""Random logits and labels, and the same as images of which no pixel is ignored."""

import torch


def random_batch(classes, seed=0, ignored=True, images=3, size=(8, 6)):
    """Return logits (B,K,H,W) and labels (B,H,W); the last class is in no image but the first."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(images, classes, *size, generator=generator)
    target = torch.randint(0, max(classes, 2), (images, *size), generator=generator)
    target[1:][target[1:] == max(classes, 2) - 1] = 0
    if ignored:
        target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


def compact(logits, target):
    """Return each image's labelled pixels as an image of one column: logits (1,K,N,1) and labels (1,1,N,1)."""
    for image, mask in zip(logits, target, strict=True):
        counted = mask != 255
        yield image[:, counted][None, :, :, None], mask[counted][None, None, :, None]
