"""The source of the site of this checkout, made once for all tests."""

import pytest
from docs.generate.page import Page
from docs.generate.repository import ROOT
from docs.generate.site import Site, site


@pytest.fixture(scope="session")
def made() -> Site:
    """The site."""
    return site(ROOT)


@pytest.fixture(scope="session")
def pages(made: Site) -> dict[str, Page]:
    """The pages of the site by their paths."""
    return {page.path: page for page in made.pages}
