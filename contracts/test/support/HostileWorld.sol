// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";
import {RouteLib} from "./RouteLib.sol";
import {OddToken, Puppet} from "./Hostile.sol";
import "./Interfaces.sol";

/// @title An executor worth robbing: 100 WETH, 100 x, 100 odd tokens and 100 ether
abstract contract HostileWorld is World {
    OddToken internal odd;
    Puppet internal puppet;
    address internal pair;
    address internal v3;
    bytes internal constant NOT_ARMED = abi.encodeWithSelector(IFlashExecutor.NotArmed.selector);

    function setUp() public {
        deployVenues();
        deployAave(x, 1000 ether);
        pair = v2Pool(uniswapV2, address(weth), address(x), 1000 ether, 3_000_000 ether);
        v3 = v3Pool(address(weth), address(x), 500, Q96, 1000 ether);
        weth.transfer(address(vault), 100 ether);
        deployExecutor();
        odd = new OddToken(1e30);
        puppet = new Puppet();
        weth.transfer(address(executor), 100 ether - 1);
        x.transfer(address(executor), 100 ether - 1);
        odd.transfer(address(executor), 100 ether);
        vm.deal(address(executor), 100 ether);
    }

    /// @dev Nothing the executor holds became less, and nobody may take anything.
    function assertWhole() internal view {
        assertGe(weth.balanceOf(address(executor)), 100 ether, "WETH");
        assertGe(x.balanceOf(address(executor)), 100 ether, "x");
        assertGe(address(executor).balance, 100 ether, "ether");
        address[4] memory spenders = [address(puppet), address(vault), address(aave), operator];
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(weth.allowance(address(executor), spenders[i]), 0);
            assertEq(x.allowance(address(executor), spenders[i]), 0);
        }
    }

    function loot() internal view returns (bytes memory) {
        return bytes.concat(wethHead(0, none()), RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1 ether));
    }

    /// @dev `second` is to give 1 ether and the profit for what `pair` gives for 1 ether of WETH.
    function cycle(address second, uint256 profit) internal view returns (bytes memory) {
        uint256 got = quoteV2(pair, address(weth), 1 ether);
        return RouteLib.v2Cycle(ANY_BLOCK, profit, pair, second, isToken1(pair, address(weth)), 1 ether, got);
    }
}
