"""The figures of a report, each from a comparison."""
