"""Pictures that training and reports both draw, and what makes all pictures look alike."""
