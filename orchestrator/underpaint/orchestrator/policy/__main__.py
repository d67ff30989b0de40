"""`python -m underpaint.orchestrator.policy FILE`: checks a policy without an orchestrator."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from underpaint.contract.errors import InvalidRequest
from underpaint.orchestrator import pricing
from underpaint.orchestrator.documents import read_text
from underpaint.orchestrator.policy.reading import check
from underpaint.orchestrator.settings import PRICES

WRONG_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Prints a JSON document with version, rules and problems; returns 2 if there are problems."""
    parser = argparse.ArgumentParser(prog="python -m underpaint.orchestrator.policy")
    parser.add_argument("file", type=Path, help="policy, YAML")
    parser.add_argument("--prices", type=Path, default=PRICES, help="price table, YAML")
    given = parser.parse_args(arguments)
    try:
        priced = pricing.load(given.prices).engines
        policy, problems = check(read_text(given.file), given.file, priced)
    except InvalidRequest as error:
        print(f"underpaint policy: {error}", file=sys.stderr)
        return WRONG_INPUT
    document = {
        "version": policy.version if policy else "",
        "rules": len(policy.rules) if policy else 0,
        "problems": [{"line": each.line, "told": each.told} for each in problems],
    }
    print(json.dumps(document))
    return 0 if policy else WRONG_INPUT


if __name__ == "__main__":
    sys.exit(main())
