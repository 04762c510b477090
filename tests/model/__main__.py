"""``python -m model``: walk the small models and tell what came of it; with ``--deeper`` also the larger ones."""

from __future__ import annotations

import argparse
import logging
import sys

from atlas_endpoints.kinds.dedicated_private_endpoint import service
from model.explorer import Explorer
from model.models import DEEPER, MODELS, SOON


def main() -> int:
    service.LASTING = SOON
    parser = argparse.ArgumentParser(prog="model", description=__doc__)
    parser.add_argument("--deeper", action="store_true", help="walk the larger models, too: an hour or so")
    parser.add_argument("--limit", type=int, default=1_000_000, help="states after which a model is given up")
    parser.add_argument("name", nargs="?", default="", help="walk only the models whose name holds this")
    arguments = parser.parse_args()
    logging.disable()
    models = {**MODELS, **DEEPER} if arguments.deeper else MODELS
    good = True
    for name, model in models.items():
        if arguments.name in name:
            report = Explorer(name, model, limit=arguments.limit).explore()
            print(report, flush=True)  # noqa: T201  # this is what it is for
            good &= report.complete
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
