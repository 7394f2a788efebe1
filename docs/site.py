"""Hooks of the manual's site (`make docs`): links to files outside the manual lead to the repository.

A page is read in the repository, through `twomind docs`, and on the site. Its links are written for the
first. On the site a link such as `../experiments/README.md` would lead nowhere, so it becomes the file's address in the
repository; a file that is not there fails the build.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

_LOG = logging.getLogger("mkdocs.twomind")
_ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown, page, config, files):
    """Rewrite the links of one page that lead out of the folder of the manual."""
    here = Path(page.file.abs_src_path).parent
    manual = Path(config["docs_dir"]).resolve()

    def address(match):
        target = (here / match.group(1)).resolve()
        if target.is_relative_to(manual):
            return match.group(0)
        if not target.exists():
            _LOG.warning("%s links to %s, which does not exist", page.file.src_path, match.group(1))
            return match.group(0)
        place = target.relative_to(_ROOT).as_posix()
        return f"]({config['repo_url']}/blob/main/{place}{match.group(2) or ''})"

    return _LINK.sub(address, markdown)
