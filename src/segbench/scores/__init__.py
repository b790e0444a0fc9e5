"""Scores: counts per image and class first, any score and convention later (NumPy; counting is in ``counts``)."""

from segbench.scores.derive import SCORES, Convention, class_scores, image_scores, mean_score, pixel_accuracy

__all__ = ["SCORES", "Convention", "class_scores", "image_scores", "mean_score", "pixel_accuracy"]
