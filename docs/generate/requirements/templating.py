"""The Jinja2 environment of the templates."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """Return an environment in which an unknown name is an error. Markdown is not escaped."""
    return Environment(
        loader=PackageLoader("docs.generate.requirements", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
