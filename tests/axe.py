"""Accessibility of pages by axe-core, whose checks Lighthouse's score is made of."""

from pathlib import Path
from typing import Any, Final

import pytest

AXE: Final = Path(__file__).parents[1] / ".cache/node/node_modules/axe-core/axe.min.js"
"""Put there by ``.ci/run``."""
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


def find_violations(page: Any) -> list[str]:
    """What a page in the browser, as it is now, does wrong: a line for each element.

    A page without any has Lighthouse's score of 100. The test is skipped without axe-core.
    """
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci --prefix .cache/node")
    page.evaluate(AXE.read_text("utf-8"))  # unlike a script tag, whatever the page's policy is
    options = {"runOnly": {"type": "tag", "values": list(RULES)}, "resultTypes": ["violations"]}
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {' '.join(node['target'][0].split())}: "
        f"{node['failureSummary'].splitlines()[-1].strip()}"
        if isinstance(node["target"][0], str)
        else f"{one['id']} ({one['impact']}): {one['help']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
