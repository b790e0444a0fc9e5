"""How many examples a property is tried on: a few every day, as many as it asks for in CI."""

from hypothesis import settings

EVERY_DAY, ALL = "every day", "all"
settings.register_profile(EVERY_DAY, max_examples=10, deadline=None)
settings.register_profile(ALL, max_examples=100, deadline=None)


def examples(count: int, **options) -> settings:
    """Ask for so many examples instead of a hundred; every day there are never more than the profile's."""
    if settings.get_current_profile_name() == EVERY_DAY:
        count = min(count, settings.default.max_examples)
    return settings(max_examples=count, **options)
