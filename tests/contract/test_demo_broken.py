"""The set-ups of `make demo-broken`, and the pages that people solve them with."""

from __future__ import annotations

import pytest

from atlas_endpoints.kinds import KINDS
from demo import troubleshooting
from demo.set_ups import NOTHING, SET_UPS, SetUp
from support.documentation import ROOT, anchors

REASONS = ROOT / troubleshooting.PAGE


@pytest.mark.parametrize("set_up", SET_UPS, ids=lambda each: each.team)
def test_each_is_explained_where_it_says(set_up: SetUp) -> None:
    assert set_up.heading in {NOTHING}.union(*(kind.reasons for kind in KINDS))
    page, _, anchor = troubleshooting.anchor(set_up.heading).partition("#")
    assert (ROOT / page, anchor in anchors(REASONS)) == (REASONS, True)
    assert troubleshooting.parts(set_up.heading)["You"]
    if set_up.beside is not None:
        assert troubleshooting.row(*set_up.beside)
