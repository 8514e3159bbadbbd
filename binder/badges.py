"""The badges that open the course on Binder, derived from the one address of the project.

    python binder/badges.py          prints them, for README.md

The address is `Repository` under [project.urls] in pyproject.toml. While it is not set, there are no badges.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
BINDER = "https://mybinder.org"
PAGES = {
    "Open the course in JupyterLab": "lab/tree/notebooks/00_start.ipynb",
    "Open the labs alone": "voila/render/notebooks/app.ipynb",
}


def address() -> str | None:
    """Where the repository is, as pyproject.toml says; None while it does not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    urls: dict[str, str] = project.get("urls", {})
    return urls.get("Repository")


def badges(repository: str) -> list[str]:
    """One line of Markdown for each page. Raises: ValueError where no repository can be at that address."""
    return [f"[![{words}]({BINDER}/badge_logo.svg)]({link(repository, page)})" for words, page in PAGES.items()]


def link(repository: str, page: str) -> str:
    """The link that builds the newest commit of the repository and opens ``page`` in it."""
    return f"{BINDER}/v2/{_place(repository)}/HEAD?urlpath={quote(page, safe='')}"


def _place(repository: str) -> str:
    """How Binder names a repository: GitHub and GitLab by their names, any other by its whole address."""
    url = urlsplit(repository.removesuffix("/").removesuffix(".git"))
    parts = url.path.strip("/").split("/")
    if url.scheme != "https" or not url.hostname or not all(parts) or url.query or url.fragment:
        raise ValueError(f"Repository must be an address such as https://HOST/OWNER/NAME, got {repository!r}")
    if url.hostname == "github.com" and len(parts) == 2:
        return "gh/" + "/".join(parts)
    if url.hostname == "gitlab.com" and len(parts) >= 2:
        return "gl/" + quote("/".join(parts), safe="")
    if url.hostname in ("github.com", "gitlab.com"):
        raise ValueError(f"Repository must name an owner and a repository at {url.hostname}, got {repository!r}")
    return "git/" + quote(repository, safe="")


if __name__ == "__main__":
    where = address()
    if where is None:
        sys.exit("there is no address to derive badges from: set Repository under [project.urls] in pyproject.toml")
    print(*badges(where), sep="\n")
