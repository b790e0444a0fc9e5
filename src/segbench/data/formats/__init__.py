"""Readers of image, mask and volume files: exact, or an error that says why not (``docs/formats.md``)."""
