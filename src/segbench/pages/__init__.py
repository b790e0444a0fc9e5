"""What every HTML page of the project has in common: style, escaping, security policy, pictures inside the file."""

from segbench.pages.shell import content_policy, data_uri, page_environment, shared_style

__all__ = ["content_policy", "data_uri", "page_environment", "shared_style"]
