// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {RouteLib as R} from "./support/RouteLib.sol";

/// @title The tests' writer of routes and adapters/evm/route.py agree byte for byte
/// @dev vectors/routes.json is read here and by tests/unit/evm/test_route.py; both build its routes from the same steps.
contract VectorsTest is Test {
    address internal constant A = address(0xA11CE);
    address internal constant B = address(0xB0B);
    address internal constant C = address(0xCAFE);
    address internal constant X = address(0x1111);
    address internal constant Y = address(0x2222);

    function agrees(string memory name, bytes memory route) internal view {
        string memory json = vm.readFile("test/vectors/routes.json");
        assertEq(vm.parseJsonBytes(json, string.concat(".['", name, "']")), route);
    }

    function rows(address a, address b, address c) internal pure returns (address[] memory out) {
        uint256 count = c != address(0) ? 3 : b != address(0) ? 2 : a != address(0) ? 1 : 0;
        out = new address[](count);
        if (count > 0) out[0] = a;
        if (count > 1) out[1] = b;
        if (count > 2) out[2] = c;
    }

    function test_v2_v2_with_a_bid() public view {
        agrees(
            "V2-V2 with a bid",
            bytes.concat(
                R.head(6, 22_000_002, 1e16 + 5e15, rows(address(0), address(0), address(0)), rows(B, A, address(0))),
                R.v2Flash(0, false, 3.1e18),
                R.v2Paid(R.WETH, 1, 0, true, 3e18, 9e21),
                R.bid(5e15)
            )
        );
    }

    function test_v2_cycle() public view {
        agrees("V2 cycle", R.v2Cycle(22_000_002, 1e17, A, B, false, 3e18, 9e21));
        bytes memory route = bytes.concat(R.v2Cycle(22_000_002, 1e17, B, A, true, 3e18, 9e21), R.bid(4e16));
        route[0] = bytes1(uint8(route[0]) | 4);
        agrees("V2 cycle with a bid", route);
    }

    function count(uint8 from) internal pure returns (bytes32 out) {
        for (uint256 i = 0; i < 32; ++i) {
            out |= bytes32(uint256(from + i) << (248 - 8 * i));
        }
    }

    function test_every_step() public view {
        bytes memory route = R.head(2, 1, 2, rows(X, Y, address(0)), rows(A, B, C));
        route = bytes.concat(route, R.deadline(1_750_000_000), R.parent(count(0)), R.wrap(1), R.unwrap(R.WETH, 2));
        route = bytes.concat(route, R.transfer(0, 2, 3), R.v2(2, 3, true, 4));
        route = bytes.concat(route, R.v2Paid(1, 3, R.SELF, false, 5, 6));
        route = bytes.concat(route, R.v4Take(0, R.SELF, 7), R.v4Pay(1, 8), R.v4Pay(R.NOBODY, 9));
        route = bytes.concat(route, R.v4Swap(R.NOBODY, 0, 3000, 60, 4, R.NOBODY, true, 10));
        route = bytes.concat(route, R.v4Sync(1), R.v4Settle(), R.v4Loan(0, 19));
        route = bytes.concat(route, R.balancer(count(32), 0, R.WETH, R.POOL_MANAGER, 11));
        route = bytes.concat(route, R.v2Flash(2, true, 12), R.v3(3, R.BALANCER_VAULT, false, 13), R.v4Unlock());
        route = bytes.concat(route, R.balancerLoan(0, 14), R.aaveLoan(1, 15, 16), R.erc3156Loan(R.WETH, 4, 17, 18));
        agrees("every step", route);
    }

    function test_base_asset_of_its_own() public view {
        agrees(
            "base asset of its own",
            bytes.concat(
                R.head(1, type(uint32).max, type(uint96).max, rows(X, Y, address(0)), rows(A, address(0), address(0))),
                R.transfer(0, 2, type(uint128).max)
            )
        );
    }
}
