"""Write adapters/evm/flash_executor.json from forge's build, or with --check tell whether it is up to date.

The file is what `penstock evm deploy` deploys: the ABI, the creation code, and the compiler that made it. Standard
library only: it runs before Penstock is installed.
"""

import argparse
import json
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
BUILT = CONTRACTS / "out" / "FlashExecutor.sol" / "FlashExecutor.json"
INTERFACE = CONTRACTS / "out" / "IFlashExecutor.sol" / "IFlashExecutor.json"
EXPORTED = CONTRACTS.parent / "adapters" / "evm" / "flash_executor.json"


def exported() -> str:
    """The file's text as the build says it should be.

    The contract finds its functions by hand, so its own ABI has the constructor alone; the interface has the rest.
    """
    built = json.loads(BUILT.read_text())
    abi_entries = [entry for entry in built["abi"] if entry["type"] in ("constructor", "fallback", "receive")]
    abi_entries += json.loads(INTERFACE.read_text())["abi"]
    compiler = built["metadata"]["compiler"]["version"] if "metadata" in built else ""
    content = {
        "contractName": "FlashExecutor",
        "compiler": compiler.replace(".Emscripten.clang", ""),
        "abi": abi_entries,
        "bytecode": built["bytecode"]["object"],
    }
    abi = ",\n    ".join(json.dumps(entry, separators=(",", ":")) for entry in content["abi"])
    return (
        f'{{\n  "contractName": "{content["contractName"]}",\n  "compiler": "{content["compiler"]}",\n'
        f'  "abi": [\n    {abi}\n  ],\n  "bytecode": "{content["bytecode"]}"\n}}\n'
    )


def main() -> int:
    """Write, or check; 1 when the file is not what the build gives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the file is out of date"
    )
    asked = parser.parse_args()
    text = exported()
    if asked.check:
        if EXPORTED.is_file() and EXPORTED.read_text() == text:
            return 0
        sys.stderr.write(
            f"penstock: {EXPORTED.name} is not what contracts/src compiles to: run contracts/script/export.py\n"
        )
        return 1
    EXPORTED.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
