"""docs/install.md, which quotes what Helm and kubectl say when they refuse something."""

from __future__ import annotations

import re

from support.running import ROOT

PAGE = ROOT / "docs" / "install.md"


def says(*words: str) -> str:
    """Give a pattern for a message that holds these words in this order, and expect that the page quotes them."""
    page = PAGE.read_text(encoding="utf-8")
    for each in words:
        assert f"`{each}`" in page, f"docs/install.md does not quote `{each}`"
    return "(?s)" + ".*".join(re.escape(each) for each in words)
