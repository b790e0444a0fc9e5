"""Many jobs: the launcher, what a job gets of the machine, and what is done before and after a sweep."""
