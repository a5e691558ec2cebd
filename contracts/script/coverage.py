"""Branch coverage of contracts/src by the tests without the invariants: prints forge's table, 1 when below 95 %.

Forge counts the branches of Yul as it counts Solidity's. Standard library only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
FORGE = next(CONTRACTS.glob("node_modules/@foundry-rs/forge-*/bin/forge"), CONTRACTS / "forge")
LEAST = 95.0
ARGUMENTS = ["coverage", "--threads", "1", "--report", "summary"]
ARGUMENTS += ["--no-match-coverage", "(node_modules|test)", "--no-match-contract", "InvariantsTest|GasTest"]


def main() -> int:
    """Runs forge coverage; 0 when the branches of src are covered well enough."""
    environment = {**os.environ, "FOUNDRY_SOLC": str(CONTRACTS / "bin" / "solc")}
    ran = subprocess.run([FORGE, *ARGUMENTS], cwd=CONTRACTS, env=environment, capture_output=True, text=True)
    table = ran.stdout[ran.stdout.find("╭") :]
    sys.stdout.write(table if ran.returncode == 0 else ran.stdout + ran.stderr)
    total = re.search(r"\| Total\s*\|[^|]*\|[^|]*\|\s*([\d.]+)%", table)
    if ran.returncode or total is None:
        return 2
    if float(total[1]) < LEAST:
        sys.stderr.write(f"penstock: {total[1]} % of the branches are covered, at least {LEAST} % must be\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
