"""Image, mask and volume files, read as what they are or refused with the reason; ``docs/formats.md`` is the table."""
