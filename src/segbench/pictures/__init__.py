"""Pictures that both training and reports draw, and the style that all pictures share."""
