// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "./support/Market.sol";
import {RouteLib} from "./support/RouteLib.sol";
import "./support/Interfaces.sol";

/// @title Every source of funds and every family of pools, on the protocols' own bytecode, to the wei
/// @dev Each route's `minProfit` is the exact profit, and one wei more must fail: so the amounts are exact both ways.
contract RoutesTest is Market {
    // The cycle's own pools as source.

    function test_v2_v2() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v2Dear),
            bytes.concat(RouteLib.v2Flash(1, isToken1(v2Dear, address(weth)), out), buyX(0, 1, got))
        );
    }

    /// @dev WETH to `token` and back as a cycle, to the wei; a wei more than it gives fails in the pair that should give it.
    function cycles(IToken token) internal returns (bool wethIsToken1) {
        wethIsToken1 = address(token) < address(weth);
        address first = v2Pool(uniswapV2, address(weth), address(token), 1000 ether, 3_100_000 ether);
        address second = v2Pool(sushi, address(weth), address(token), 1000 ether, 3_000_000 ether);
        uint256 got = quoteV2(first, address(weth), IN);
        uint256 profit = quoteV2(second, address(token), got) - IN;
        fails(
            RouteLib.v2Cycle(ANY_BLOCK, profit + 1, first, second, wethIsToken1, IN, got),
            abi.encodeWithSignature("Error(string)", "UniswapV2: K")
        );
        fails(
            RouteLib.v2Cycle(ANY_BLOCK, profit, first, second, wethIsToken1, IN, got + 1),
            abi.encodeWithSignature("Error(string)", "UniswapV2: K")
        );
        (bool ok,) = send(operator, RouteLib.v2Cycle(ANY_BLOCK, profit, first, second, !wethIsToken1, IN, got));
        assertFalse(ok, "the wrong way round");
        uint256 before = weth.balanceOf(address(executor));
        run(RouteLib.v2Cycle(ANY_BLOCK, profit, first, second, wethIsToken1, IN, got));
        assertEq(weth.balanceOf(address(executor)), before + profit);
        assertEq(token.balanceOf(address(executor)), 0);
    }

    function test_v2_cycle_in_either_order_of_the_tokens() public {
        bool[2] memory seen;
        while (!seen[0] || !seen[1]) {
            seen[cycles(newToken(1e33)) ? 1 : 0] = true;
        }
    }

    function test_v2_v2_the_other_way_round_pays_with_transfer_and_swap() public {
        // Base asset x: sell x for WETH where WETH is cheap in x, and back. Token directions are swapped.
        uint256 amount = 9000 ether;
        uint256 got = quoteV2(v2Dear, address(x), amount);
        uint256 out = quoteV2(v2Cheap, address(weth), got);
        uint256 before = x.balanceOf(address(executor));
        bytes memory steps = bytes.concat(
            RouteLib.v2Flash(2, isToken1(v2Cheap, address(x)), out),
            RouteLib.transfer(0, 1, amount),
            RouteLib.v2(1, 2, isToken1(v2Dear, address(weth)), got)
        );
        fails(
            bytes.concat(head(out - amount + 1, list(address(x)), list(v2Dear, v2Cheap)), steps),
            tooLow(address(x), before + out - amount, before + out - amount + 1)
        );
        run(bytes.concat(head(out - amount, list(address(x)), list(v2Dear, v2Cheap)), steps));
        assertEq(x.balanceOf(address(executor)), before + out - amount);
    }

    function test_v2_refuses_a_wei_more() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        bytes memory steps = RouteLib.v2Paid(RouteLib.WETH, 0, 1, isToken1(v2Cheap, address(x)), IN, got + 1);
        uint256 out = quoteV2(v2Dear, address(x), got);
        fails(
            bytes.concat(
                wethHead(0, list(v2Cheap, v2Dear)), RouteLib.v2Flash(1, isToken1(v2Dear, address(weth)), out), steps
            ),
            abi.encodeWithSignature("Error(string)", "UniswapV2: K")
        );
    }

    function test_v3_v2() public {
        uint256 got = quoteV3(v3Cheap, wethToX(), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        exactly(
            out - IN,
            none(),
            list(v3Cheap, v2Dear),
            bytes.concat(
                RouteLib.v3(0, 1, wethToX(), IN),
                RouteLib.v2(1, RouteLib.SELF, isToken1(v2Dear, address(weth)), out),
                RouteLib.transfer(RouteLib.WETH, 0, IN)
            )
        );
    }

    function test_v2_v3() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV3(v3Dear, !wethToX(), got);
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v3Dear),
            bytes.concat(RouteLib.v3(1, RouteLib.SELF, !wethToX(), got), buyX(0, 1, got))
        );
    }

    function test_v3_v3_nested_callbacks() public {
        uint256 got = quoteV3(v3Cheap, wethToX(), IN);
        uint256 out = quoteV3(v3Dear, !wethToX(), got);
        exactly(
            out - IN,
            none(),
            list(v3Cheap, v3Dear),
            bytes.concat(
                RouteLib.v3(1, RouteLib.SELF, !wethToX(), got),
                RouteLib.v3(0, 1, wethToX(), IN),
                RouteLib.transfer(RouteLib.WETH, 0, IN)
            )
        );
    }

    function test_v3_pancake() public {
        uint256 got = quoteV3(v3Cheap, wethToX(), IN);
        uint256 out = quoteV3(pancakeDear, !wethToX(), got);
        exactly(
            out - IN,
            none(),
            list(v3Cheap, pancakeDear),
            bytes.concat(
                RouteLib.v3(1, RouteLib.SELF, !wethToX(), got),
                RouteLib.v3(0, 1, wethToX(), IN),
                RouteLib.transfer(RouteLib.WETH, 0, IN)
            )
        );
    }

    function test_v2_v3_v2_three_hops() public {
        uint256 gotX = quoteV2(v2Cheap, address(weth), IN);
        uint256 gotY = quoteV3(v3Y, down(address(x), address(y)), gotX);
        address last = v2Pool(sushi, address(y), address(weth), 3_000_000 ether, 1000 ether);
        uint256 out = quoteV2(last, address(y), gotY);
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v3Y, last),
            bytes.concat(
                RouteLib.v2Flash(2, isToken1(last, address(weth)), out),
                RouteLib.v3(1, 2, down(address(x), address(y)), gotX),
                buyX(0, 1, gotX)
            )
        );
    }

    function test_v2_v3_v2_pancake_four_hops() public {
        uint256 a = quoteV2(v2Cheap, address(weth), IN);
        uint256 b = quoteV3(v3Y, down(address(x), address(y)), a);
        uint256 c = quoteV2(v2Y, address(y), b);
        uint256 out = quoteV3(pancakeDear, !wethToX(), c);
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v3Y, v2Y, pancakeDear),
            bytes.concat(
                RouteLib.v3(3, RouteLib.SELF, !wethToX(), c),
                RouteLib.v3(1, 2, down(address(x), address(y)), a),
                buyX(0, 1, a),
                RouteLib.v2(2, 3, isToken1(v2Y, address(x)), c)
            )
        );
    }

    // Uniswap V4.

    function v4(PoolKey memory key, uint8 to, address tokenIn, uint256 amountIn) internal view returns (bytes memory) {
        // Rows: x is 0; the rest are specials.
        uint8 c0 = key.currency0 == address(x) ? 0 : key.currency0 == address(0) ? RouteLib.NOBODY : RouteLib.WETH;
        uint8 c1 = key.currency1 == address(x) ? 0 : RouteLib.WETH;
        bool zeroForOne = tokenIn == key.currency0;
        return RouteLib.v4Swap(c0, c1, key.fee, key.tickSpacing, RouteLib.NOBODY, to, zeroForOne, amountIn);
    }

    function test_v4_v4_on_credit() public {
        uint256 got = quoteV4(v4Cheap, wethToX(), IN);
        uint256 out = quoteV4(v4Dear, !wethToX(), got);
        exactly(
            out - IN,
            none(),
            list(address(x)),
            bytes.concat(
                RouteLib.v4Unlock(),
                v4(v4Cheap, RouteLib.NOBODY, address(weth), IN),
                v4(v4Dear, RouteLib.NOBODY, address(x), 0), // all of what came
                RouteLib.v4Take(RouteLib.WETH, RouteLib.SELF, 0) // all that is owed
            )
        );
    }

    function test_v4_v2() public {
        uint256 got = quoteV4(v4Cheap, wethToX(), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        exactly(
            out - IN,
            none(),
            list(address(x), v2Dear),
            bytes.concat(
                RouteLib.v4Unlock(),
                v4(v4Cheap, 1, address(weth), IN), // straight to the pair
                RouteLib.v2(1, RouteLib.SELF, isToken1(v2Dear, address(weth)), out),
                RouteLib.v4Pay(RouteLib.WETH, IN)
            )
        );
    }

    function test_v2_v4_paid_by_the_pair() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV4(v4Dear, !wethToX(), got);
        exactly(
            out - IN,
            none(),
            list(address(x), v2Cheap),
            bytes.concat(
                RouteLib.v4Unlock(),
                v4(v4Dear, RouteLib.SELF, address(x), got),
                RouteLib.v4Sync(0),
                buyX(1, RouteLib.POOL_MANAGER, got),
                RouteLib.v4Settle()
            )
        );
    }

    function test_v3_v4_v3_three_families() public {
        // WETH to x on V3, x to WETH on V4, all in one nest with the V4 leg paid by the V3 pool.
        uint256 got = quoteV3(v3Cheap, wethToX(), IN);
        uint256 out = quoteV4(v4Dear, !wethToX(), got);
        exactly(
            out - IN,
            none(),
            list(address(x), v3Cheap),
            bytes.concat(
                RouteLib.v4Unlock(),
                RouteLib.v4Sync(0),
                RouteLib.v3(1, RouteLib.POOL_MANAGER, wethToX(), IN),
                RouteLib.v4Settle(),
                v4(v4Dear, RouteLib.SELF, address(x), got),
                RouteLib.transfer(RouteLib.WETH, 1, IN)
            )
        );
    }

    function test_v4_loan_for_v2_v2() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v2Dear),
            bytes.concat(
                RouteLib.v4Unlock(),
                RouteLib.v4Take(RouteLib.WETH, RouteLib.SELF, IN),
                v2Pair(out, got),
                RouteLib.v4Pay(RouteLib.WETH, IN)
            )
        );
    }

    function test_v4_loan_that_pays_itself_back() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        bytes memory loan = bytes.concat(RouteLib.v4Unlock(), RouteLib.v4Loan(RouteLib.WETH, IN));
        exactly(out - IN, none(), list(v2Cheap, v2Dear), bytes.concat(loan, v2Pair(out, got)));
    }

    function test_v4_loan_around_steps_that_call_back() public {
        bytes memory loan = bytes.concat(RouteLib.v4Unlock(), RouteLib.v4Loan(RouteLib.WETH, IN));
        uint256 got = quoteV3(v3Cheap, wethToX(), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        bytes memory hops = bytes.concat(
            RouteLib.v3(0, 1, wethToX(), IN), RouteLib.v2(1, RouteLib.SELF, isToken1(v2Dear, address(weth)), out)
        );
        uint256 state = vm.snapshotState();
        exactly(
            out - IN, none(), list(v3Cheap, v2Dear), bytes.concat(loan, hops, RouteLib.transfer(RouteLib.WETH, 0, IN))
        );
        vm.revertToState(state);
        uint256 fee = lender.flashFee(address(weth), 1 ether);
        got = quoteV2(v2Cheap, address(weth), IN);
        out = quoteV2(v2Dear, address(x), got);
        bytes memory within = RouteLib.erc3156Loan(RouteLib.WETH, 2, 1 ether, 1 ether + fee);
        exactly(
            out - IN - fee, none(), list(v2Cheap, v2Dear, address(lender)), bytes.concat(loan, within, v2Pair(out, got))
        );
    }

    function test_v4_loan_that_cannot_be_paid_back_fails() public {
        bytes memory route = bytes.concat(
            wethHead(0, list(stranger)),
            RouteLib.v4Unlock(),
            RouteLib.v4Loan(RouteLib.WETH, 1 ether),
            RouteLib.transfer(RouteLib.WETH, 0, 1)
        );
        fails(
            bytes.concat(route, RouteLib.v4Loan(RouteLib.WETH, 1 ether)),
            abi.encodeWithSignature("CurrencyNotSettled()")
        );
        fails(route, tooLow(address(weth), 0, 1));
    }

    function test_v4_ether_is_wrapped_and_unwrapped() public {
        // Ether to WETH is a hop: buy x with WETH where it is cheap, sell it for ether, wrap.
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV4(v4Ether, false, got);
        uint256 etherBefore = address(executor).balance;
        exactly(
            out - IN,
            none(),
            list(address(x), v2Cheap),
            bytes.concat(
                RouteLib.v4Unlock(),
                v4(v4Ether, RouteLib.SELF, address(x), got),
                RouteLib.wrap(out),
                RouteLib.v4Sync(0),
                buyX(1, RouteLib.POOL_MANAGER, got),
                RouteLib.v4Settle()
            )
        );
        assertEq(address(executor).balance, etherBefore);
    }

    function test_base_asset_ether() public {
        // Base ether: sell x that WETH bought for ether; the WETH comes from unwrapping nothing: it is bought back.
        vm.deal(address(executor), 5 ether);
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV4(v4Ether, false, got);
        address[] memory tokens = list(address(0), address(weth));
        bytes memory steps = bytes.concat(
            RouteLib.v4Unlock(),
            RouteLib.v4Swap(RouteLib.NOBODY, 2, 3000, 60, RouteLib.NOBODY, RouteLib.SELF, false, got),
            RouteLib.wrap(IN),
            RouteLib.v4Sync(2),
            RouteLib.v2Paid(1, 3, RouteLib.POOL_MANAGER, isToken1(v2Cheap, address(x)), IN, got),
            RouteLib.v4Settle()
        );
        uint256 state = vm.snapshotState();
        run(withBid(bytes.concat(head(out - IN - 0.01 ether, tokens, list(address(x), v2Cheap)), steps), 0.01 ether));
        assertEq(address(executor).balance, 5 ether + out - IN - 0.01 ether);
        assertEq(builder.balance, 1 + 0.01 ether);
        vm.revertToState(state);
        run(bytes.concat(head(out - IN, tokens, list(address(x), v2Cheap)), steps));
        assertEq(address(executor).balance, 5 ether + out - IN);
        assertEq(weth.balanceOf(address(executor)), 1);
    }

    function test_ether_is_paid_to_v4_and_unwrapped_from_weth() public {
        // x is cheap for ether at another V4 pool: pay it ether from unwrapped WETH.
        PoolKey memory key = v4Pool(address(0), address(x), 500, 10, address(0), sqrtPrice(1, 3100), 100_000 ether);
        uint256 got = quoteV4(key, true, IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        uint256 etherBefore = address(executor).balance;
        exactly(
            out - IN,
            none(),
            list(address(x), v2Dear),
            bytes.concat(
                RouteLib.v4Unlock(),
                v4(key, 1, address(0), IN),
                RouteLib.v2(1, RouteLib.SELF, isToken1(v2Dear, address(weth)), out),
                RouteLib.unwrap(RouteLib.WETH, IN),
                RouteLib.v4Pay(RouteLib.NOBODY, IN)
            )
        );
        assertEq(address(executor).balance, etherBefore);
    }

    function test_v4_manager_that_is_locked_takes_nothing() public {
        fails(
            bytes.concat(wethHead(0, none()), RouteLib.v4Pay(RouteLib.WETH, 1)),
            abi.encodeWithSignature("ManagerLocked()")
        );
        fails(bytes.concat(wethHead(0, none()), RouteLib.v4Settle()), abi.encodeWithSignature("ManagerLocked()"));
    }

    // Balancer V2.

    function test_v2_flash_balancer() public {
        // x from Balancer, sold on the pair that lends the WETH.
        uint256 got = quoteBalancer(balCheap, address(weth), address(x), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        exactly(
            out - IN,
            none(),
            list(address(x), v2Dear),
            bytes.concat(
                RouteLib.v2Flash(1, isToken1(v2Dear, address(weth)), out),
                RouteLib.balancer(balCheap, RouteLib.WETH, 0, 1, IN)
            )
        );
    }

    function test_v4_loan_balancer_balancer() public {
        uint256 got = quoteBalancer(balCheap, address(weth), address(x), IN);
        uint256 state = vm.snapshotState();
        // The second pool's price does not depend on the first.
        uint256 out = quoteBalancer(balDear, address(x), address(weth), got);
        vm.revertToState(state);
        exactly(
            out - IN,
            list(address(x)),
            none(),
            bytes.concat(
                RouteLib.v4Unlock(),
                RouteLib.v4Take(RouteLib.WETH, RouteLib.SELF, IN),
                RouteLib.balancer(balCheap, RouteLib.WETH, 0, RouteLib.SELF, IN),
                RouteLib.balancer(balDear, 0, RouteLib.WETH, RouteLib.SELF, 0), // all of what came
                RouteLib.v4Pay(RouteLib.WETH, IN)
            )
        );
    }

    function test_balancer_loan() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v2Dear),
            bytes.concat(
                RouteLib.balancerLoan(RouteLib.WETH, IN),
                v2Pair(out, got),
                RouteLib.transfer(RouteLib.WETH, RouteLib.BALANCER_VAULT, IN)
            )
        );
    }

    // Lenders that pull.

    function test_aave_loan() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        uint256 premium = IN * 5 / 10_000;
        exactly(
            out - IN - premium,
            none(),
            list(v2Cheap, v2Dear),
            bytes.concat(RouteLib.aaveLoan(RouteLib.WETH, IN, IN + premium), v2Pair(out, got))
        );
    }

    function test_aave_loan_with_too_much_allowed_leaves_no_allowance() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        uint256 premium = IN * 5 / 10_000;
        exactly(
            out - IN - premium,
            none(),
            list(v2Cheap, v2Dear),
            bytes.concat(RouteLib.aaveLoan(RouteLib.WETH, IN, IN + premium + 1000), v2Pair(out, got))
        );
    }

    function test_erc3156_loan() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        uint256 fee = lender.flashFee(address(weth), IN);
        exactly(
            out - IN - fee,
            none(),
            list(v2Cheap, v2Dear, address(lender)),
            bytes.concat(RouteLib.erc3156Loan(RouteLib.WETH, 2, IN, IN + fee), v2Pair(out, got))
        );
    }
}
