// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./World.sol";
import {RouteLib} from "./RouteLib.sol";
import {Lender} from "./Hostile.sol";
import "./Interfaces.sol";

/// @title A market with pools of every family, cheap ones and dear ones, and lenders
abstract contract Market is World {
    address internal v2Cheap; // 3100 x for a WETH
    address internal v2Dear; // 3000 x for a WETH
    address internal v2Y; // x to y, 1:1
    address internal v3Cheap;
    address internal v3Dear;
    address internal v3Y; // x to y, 1:1
    address internal pancakeDear;
    bytes32 internal balCheap;
    bytes32 internal balDear;
    PoolKey internal v4Cheap;
    PoolKey internal v4Dear;
    PoolKey internal v4Ether; // ether and x, 3000 x
    Lender internal lender;

    uint256 internal constant IN = 3 ether;

    function setUp() public {
        deployVenues();
        deployAave(x, 100_000 ether);
        v2Cheap = v2Pool(uniswapV2, address(weth), address(x), 1000 ether, 3_100_000 ether);
        v2Dear = v2Pool(sushi, address(weth), address(x), 1000 ether, 3_000_000 ether);
        v2Y = v2Pool(uniswapV2, address(x), address(y), 1_000_000 ether, 1_000_000 ether);
        v3Cheap = v3Pool(address(weth), address(x), 500, price(3100), 100_000 ether);
        v3Dear = v3Pool(address(weth), address(x), 3000, price(3000), 100_000 ether);
        v3Y = v3Pool(address(x), address(y), 500, Q96, 1_000_000 ether);
        pancakeDear = pancakePool(address(weth), address(x), 500, 10, price(2990), 100_000 ether);
        balCheap = weightedPool(address(weth), address(x), 1000 ether, 3_100_000 ether, 0.5e18, 0.001e18);
        balDear = weightedPool(address(weth), address(x), 1000 ether, 3_000_000 ether, 0.5e18, 0.001e18);
        v4Cheap = v4Pool(address(weth), address(x), 500, 10, address(0), price(3100), 100_000 ether);
        v4Dear = v4Pool(address(weth), address(x), 3000, 60, address(0), price(3000), 100_000 ether);
        v4Ether = v4Pool(address(0), address(x), 3000, 60, address(0), sqrtPrice(1, 3000), 100_000 ether);
        lender = new Lender();
        weth.transfer(address(lender), 1000 ether);
        weth.transfer(address(manager), 10 ether);
        weth.transfer(address(vault), 1); // the vault counts its own
        deployExecutor();
    }

    /// @dev sqrt(price) of a pool of WETH and x at so many x for a WETH.
    function price(uint256 xPerWeth) internal view returns (uint160) {
        return address(weth) < address(x) ? sqrtPrice(1, xPerWeth) : sqrtPrice(xPerWeth, 1);
    }

    /// @dev Whether a swap of `tokenIn` for `tokenOut` is zero for one.
    function down(address tokenIn, address tokenOut) internal pure returns (bool) {
        return tokenIn < tokenOut;
    }

    function wethToX() internal view returns (bool) {
        return down(address(weth), address(x));
    }

    /// @dev x for IN WETH from the cheap pair.
    function buyX(uint8 pair, uint8 to, uint256 got) internal view returns (bytes memory) {
        return RouteLib.v2Paid(RouteLib.WETH, pair, to, isToken1(v2Cheap, address(x)), IN, got);
    }

    /// @dev Runs `steps` in WETH with exactly this profit, after it failed with one wei more.
    function exactly(uint256 profit, address[] memory tokens, address[] memory others, bytes memory steps) internal {
        uint256 before = weth.balanceOf(address(executor));
        uint256 xBefore = x.balanceOf(address(executor));
        uint256 yBefore = y.balanceOf(address(executor));
        fails(
            bytes.concat(RouteLib.head(2, ANY_BLOCK, uint96(profit + 1), tokens, others), steps),
            tooLow(address(weth), before + profit, before + profit + 1)
        );
        run(bytes.concat(RouteLib.head(2, ANY_BLOCK, uint96(profit), tokens, others), steps));
        assertEq(weth.balanceOf(address(executor)), before + profit, "profit");
        assertEq(x.balanceOf(address(executor)), xBefore, "x is left");
        assertEq(y.balanceOf(address(executor)), yBefore, "y is left");
        address[4] memory spenders = [address(vault), address(aave), address(lender), address(manager)];
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(weth.allowance(address(executor), spenders[i]), 0, "an allowance is left");
            assertEq(x.allowance(address(executor), spenders[i]), 0, "an allowance is left");
        }
    }

    /// @dev The two V2 hops, rows 0 and 1, with money in hand.
    function v2Pair(uint256 out, uint256 got) internal view returns (bytes memory) {
        return bytes.concat(buyX(0, 1, got), RouteLib.v2(1, RouteLib.SELF, isToken1(v2Dear, address(weth)), out));
    }
}
