"""One's own images: a folder of images and a folder of masks, by configuration alone."""
