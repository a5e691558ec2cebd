// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Protocols} from "./Protocols.sol";
import {RouteLib} from "./RouteLib.sol";
import "./Interfaces.sol";

/// @title An executor among real pools whose prices differ, and what the tests do with it
/// @dev One WETH is worth 3000 x on `cheap` pools (where x is bought) and less x on `dear` ones.
abstract contract World is Protocols {
    uint32 internal constant ANY_BLOCK = type(uint32).max;
    uint160 private constant MIN_PRICE = 4295128740;
    uint160 private constant MAX_PRICE = 1461446703485210103287273052203988822378723970341;

    IFlashExecutor internal executor;
    address internal owner = makeAddr("owner");
    address internal operator = makeAddr("operator");
    address internal stranger = makeAddr("stranger");
    address internal builder = makeAddr("builder");
    IToken internal x;
    IToken internal y;

    function deployTokens() internal virtual {
        vm.warp(1_750_000_000);
        vm.roll(22_000_000);
        deployWeth();
        x = newToken(1e33);
        y = newToken(1e33);
    }

    /// @dev The tokens and every protocol whose pools need no more than these. Aave's wants one of them listed.
    function deployVenues() internal {
        deployTokens();
        deployV2();
        deployV3();
        deployV4();
        deployBalancer();
    }

    /// @dev After the protocols: with those that were deployed.
    function deployExecutor() internal {
        executor = IFlashExecutor(
            vm.deployCode(
                "FlashExecutor.sol:FlashExecutor",
                abi.encode(owner, operator, address(manager), address(vault), address(aave), address(weth))
            )
        );
        // What every executor keeps, so that its balances are never written from zero.
        weth.transfer(address(executor), 1);
        x.transfer(address(executor), 1);
        y.transfer(address(executor), 1);
        vm.deal(builder, 1);
        vm.coinbase(builder);
    }

    // Routes.

    function list(address a) internal pure returns (address[] memory out) {
        out = new address[](1);
        out[0] = a;
    }

    function list(address a, address b) internal pure returns (address[] memory out) {
        out = new address[](2);
        (out[0], out[1]) = (a, b);
    }

    function list(address a, address b, address c) internal pure returns (address[] memory out) {
        out = new address[](3);
        (out[0], out[1], out[2]) = (a, b, c);
    }

    function list(address a, address b, address c, address d) internal pure returns (address[] memory out) {
        out = new address[](4);
        (out[0], out[1], out[2], out[3]) = (a, b, c, d);
    }

    function none() internal pure returns (address[] memory) {
        return new address[](0);
    }

    /// @dev A route whose base asset is the first token.
    function head(uint256 minProfit, address[] memory tokens, address[] memory others)
        internal
        pure
        returns (bytes memory)
    {
        return RouteLib.head(1, ANY_BLOCK, uint96(minProfit), tokens, others);
    }

    /// @dev A route whose base asset is WETH, without other tokens.
    function wethHead(uint256 minProfit, address[] memory others) internal pure virtual returns (bytes memory) {
        return RouteLib.head(2, ANY_BLOCK, uint96(minProfit), none(), others);
    }

    /// @dev The route with a bid: the flag set, the bid added to the profit it must make, the step added.
    function withBid(bytes memory route, uint256 amount) internal pure returns (bytes memory out) {
        out = bytes.concat(route, RouteLib.bid(amount));
        out[0] = bytes1(uint8(out[0]) | 4);
        uint256 profit = amount;
        for (uint256 i = 5; i < 17; ++i) {
            profit += uint256(uint8(out[i])) << (8 * (16 - i));
        }
        for (uint256 i = 5; i < 17; ++i) {
            out[i] = bytes1(uint8(profit >> (8 * (16 - i))));
        }
    }

    /// @dev What a callback carries of a route: all but the head's first 17 bytes.
    function carried(bytes memory route) internal pure returns (bytes memory out) {
        out = new bytes(route.length - 17);
        for (uint256 i = 0; i < out.length; ++i) {
            out[i] = route[17 + i];
        }
    }

    function send(address from, bytes memory route) internal returns (bool ok, bytes memory answer) {
        vm.prank(from);
        (ok, answer) = address(executor).call(route);
    }

    /// @dev Runs a route that must succeed.
    function run(bytes memory route) internal {
        (bool ok, bytes memory answer) = send(operator, route);
        if (!ok) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
        assertIdle();
    }

    /// @dev Runs a route that must fail with exactly this.
    function fails(bytes memory route, bytes memory error) internal {
        (bool ok, bytes memory answer) = send(operator, route);
        assertFalse(ok, "succeeded");
        assertEq(answer, error, "another error");
        assertIdle();
    }

    /// @dev Nothing runs: the lock is free. That the armed slot is clear shows in runs that follow each other.
    function assertIdle() internal {
        vm.prank(owner);
        executor.setOperator(operator, true);
    }

    function tooLow(address token, uint256 balance, uint256 needed) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IFlashExecutor.BalanceTooLow.selector, token, balance, needed);
    }

    // What the protocols would give.

    /// @dev Whether taking `token` out of the pair takes its token1.
    function isToken1(address pair, address token) internal view returns (bool) {
        return IV2Pair(pair).token0() != token;
    }

    function quoteV2(address pair, address tokenIn, uint256 amountIn) internal view returns (uint256) {
        (uint112 r0, uint112 r1,) = IV2Pair(pair).getReserves();
        (uint256 rIn, uint256 rOut) = IV2Pair(pair).token0() == tokenIn ? (r0, r1) : (r1, r0);
        return amountIn * 997 * rOut / (rIn * 1000 + amountIn * 997);
    }

    /// @dev V3 and Pancake: the pool's own answer, undone by a revert.
    function quoteV3(address pool, bool zeroForOne, uint256 amountIn) internal returns (uint256) {
        try IV3Pool(pool).swap(address(this), zeroForOne, int256(amountIn), zeroForOne ? MIN_PRICE : MAX_PRICE, "") {
            revert("not undone");
        } catch (bytes memory answer) {
            (int256 delta0, int256 delta1) = abi.decode(answer, (int256, int256));
            return uint256(-(zeroForOne ? delta1 : delta0));
        }
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata) external pure {
        bytes memory answer = abi.encode(delta0, delta1);
        assembly {
            revert(add(answer, 32), mload(answer))
        }
    }

    function pancakeV3SwapCallback(int256 delta0, int256 delta1, bytes calldata) external pure {
        bytes memory answer = abi.encode(delta0, delta1);
        assembly {
            revert(add(answer, 32), mload(answer))
        }
    }

    function quoteV4(PoolKey memory key, bool zeroForOne, uint256 amountIn) internal returns (uint256 out) {
        try manager.unlock(abi.encode(key, int256(amountIn), zeroForOne)) {
            revert("not undone");
        } catch (bytes memory answer) {
            out = abi.decode(answer, (uint256));
        }
    }

    /// @dev Liquidity for Protocols.v4Pool, or a quote for `quoteV4`.
    function unlockCallback(bytes calldata data) external returns (bytes memory) {
        if (data.length == 192) {
            (PoolKey memory key, int256 liquidity) = abi.decode(data, (PoolKey, int256));
            int24 end = 887200 / key.tickSpacing * key.tickSpacing;
            (int256 delta,) = manager.modifyLiquidity(key, ModifyLiquidityParams(-end, end, liquidity, 0), "");
            payV4(key.currency0, uint128(-int128(delta >> 128)));
            payV4(key.currency1, uint128(-int128(delta)));
            return "";
        }
        (PoolKey memory pool, int256 amountIn, bool zeroForOne) = abi.decode(data, (PoolKey, int256, bool));
        int256 moved = manager.swap(pool, SwapParams(zeroForOne, -amountIn, zeroForOne ? MIN_PRICE : MAX_PRICE), "");
        uint256 out = uint128(zeroForOne ? int128(moved) : int128(moved >> 128));
        assembly {
            mstore(0, out)
            revert(0, 32)
        }
    }

    function quoteBalancer(bytes32 poolId, address tokenIn, address tokenOut, uint256 amountIn)
        internal
        returns (uint256 out)
    {
        uint256 state = vm.snapshotState();
        IToken(tokenIn).approve(address(vault), amountIn);
        out = vault.swap(
            IVault.SingleSwap(poolId, IVault.SwapKind.GIVEN_IN, tokenIn, tokenOut, amountIn, ""),
            IVault.FundManagement(address(this), false, address(this), false),
            0,
            block.timestamp
        );
        vm.revertToStateAndDelete(state);
    }

    function balanceOf(address token, address who) internal view returns (uint256) {
        return token == address(0) ? who.balance : IToken(token).balanceOf(who);
    }
}
