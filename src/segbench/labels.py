"""Label values with a fixed meaning."""

# Pixels with this label count nowhere: in no loss, score or class frequency.
IGNORE_INDEX = 255
