// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HostileWorld} from "./support/HostileWorld.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {Puppet, Waker} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

/// @title Hostile strangers, pools, builders and lenders, and an operator's leaked key. Tokens: HostileTokens.t.sol
contract HostileTest is HostileWorld {
    // The two drains that published bots fell to: a public approval, and a flash loan callback that takes the trusted
    // caller from its own calldata.

    function test_drain_by_public_approval_fails() public {
        vm.startPrank(stranger);
        (bool ok,) = address(executor)
            .call(abi.encodeWithSignature("approveRouter(address,address[],bool)", stranger, list(address(weth)), true));
        assertFalse(ok);
        (ok,) = address(executor).call(abi.encodeWithSignature("approve(address,uint256)", stranger, 1 ether));
        assertFalse(ok);
        vm.expectRevert();
        weth.transferFrom(address(executor), stranger, 1);
        vm.stopPrank();
        assertWhole();
    }

    function test_drain_by_forged_callback_fails() public {
        uint256[] memory amounts = new uint256[](1);
        amounts[0] = 1 ether;
        bytes[6] memory calls = [
            abi.encodeWithSignature(
                "receiveFlashLoan(address[],uint256[],uint256[],bytes)", list(address(weth)), amounts, amounts, loot()
            ),
            abi.encodeWithSignature("uniswapV2Call(address,uint256,uint256,bytes)", executor, 1, 0, loot()),
            abi.encodeWithSignature("uniswapV3SwapCallback(int256,int256,bytes)", 1, 0, loot()),
            abi.encodeWithSignature("unlockCallback(bytes)", loot()),
            abi.encodeWithSignature(
                "executeOperation(address,uint256,uint256,address,bytes)", weth, 1, 1, executor, loot()
            ),
            abi.encodeWithSignature("onFlashLoan(address,address,uint256,uint256,bytes)", executor, weth, 1, 1, loot())
        ];
        for (uint256 i = 0; i < 6; ++i) {
            (bool ok,) = send(stranger, calls[i]);
            assertFalse(ok);
            (ok,) = send(operator, calls[i]);
            assertFalse(ok);
        }
        assertWhole();
    }

    function test_loans_that_strangers_take_out_in_our_name_fail() public {
        uint256[] memory amounts = new uint256[](1);
        amounts[0] = 1 ether;
        vm.startPrank(stranger);
        vm.expectRevert();
        vault.flashLoan(address(executor), list(address(weth)), amounts, loot());
        vm.expectRevert();
        aave.flashLoanSimple(address(executor), address(weth), 1 ether, loot(), 0);
        vm.expectRevert();
        IV2Pair(pair).swap(1, 0, address(executor), loot());
        vm.stopPrank();
        assertWhole();
    }

    // Pools.

    function pool(bytes memory steps) internal view returns (bytes memory) {
        return bytes.concat(wethHead(0, list(address(puppet), stranger)), RouteLib.v3(0, RouteLib.SELF, true, 1), steps);
    }

    function callback(bytes memory route) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("uniswapV3SwapCallback(int256,int256,bytes)", 1, 1, carried(route));
    }

    function test_pool_that_calls_back_honestly_is_admitted_once() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1));
        puppet.add(address(executor), callback(route));
        puppet.add(address(executor), callback(route));
        run(route);
        assertTrue(puppet.succeeded(0));
        assertFalse(puppet.succeeded(1), "twice");
        assertEq(puppet.answers(1), NOT_ARMED);
        assertWhole();
    }

    function test_callback_goes_by_any_name() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1));
        puppet.add(address(executor), abi.encodeWithSignature("anyCallback(int256,int256,bytes)", 1, 1, carried(route)));
        run(route);
        assertTrue(puppet.succeeded(0));
    }

    function test_pool_that_brings_another_route_is_refused() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1));
        bytes memory other = pool(RouteLib.transfer(RouteLib.WETH, 1, 1 ether));
        puppet.add(address(executor), callback(other));
        puppet.add(address(executor), callback(loot()));
        puppet.add(address(executor), callback(bytes.concat(new bytes(17))));
        puppet.add(address(executor), callback(bytes.concat(route, hex"00")));
        puppet.add(address(executor), hex"fa461e33"); // no arguments at all
        run(route);
        for (uint256 i = 0; i < 5; ++i) {
            assertFalse(puppet.succeeded(i));
        }
        assertWhole();
    }

    function test_somebody_else_who_calls_back_is_refused() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1));
        Puppet friend = new Puppet();
        friend.add(address(executor), callback(route));
        puppet.add(address(friend), hex"01");
        run(route);
        assertTrue(puppet.succeeded(0));
        assertFalse(friend.succeeded(0));
        assertEq(friend.answers(0), NOT_ARMED);
    }

    function test_pool_that_does_not_call_back_may_not_do_so_later() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, 1, 1 ether));
        run(route); // got nothing, paid nothing
        vm.prank(address(puppet));
        (bool ok,) = address(executor).call(callback(route));
        assertFalse(ok);
        assertWhole();
    }

    function test_pool_that_does_not_call_back_may_not_do_so_while_the_builder_is_paid() public {
        // The builder wakes the pool, which was armed and kept still, after the balances were counted.
        bytes memory steps = bytes.concat(RouteLib.transfer(RouteLib.WETH, 1, 1 ether), RouteLib.bid(0));
        bytes memory route = pool(steps);
        route[0] = bytes1(uint8(6));
        Waker waker = new Waker(address(executor), callback(route));
        vm.coinbase(address(waker));
        // Row 0 is the waker: as a pool it keeps still.
        route = bytes.concat(
            RouteLib.head(6, ANY_BLOCK, 0, none(), list(address(waker), stranger)),
            RouteLib.v3(0, RouteLib.SELF, true, 1),
            steps
        );
        waker.set(callback(route));
        run(route);
        assertTrue(waker.paid());
        assertFalse(waker.succeeded(), "called back after the count");
        assertWhole();
    }

    // The second pair of a V2 cycle.

    function cycleCallback(bytes memory route) internal view returns (bytes memory) {
        bytes memory back = new bytes(48);
        for (uint256 i = 0; i < 48; ++i) {
            back[i] = route[37 + i];
        }
        return abi.encodeWithSignature("uniswapV2Call(address,uint256,uint256,bytes)", executor, 1, 0, back);
    }

    function test_cycle_admits_its_second_pair_once() public {
        bytes memory route = cycle(address(puppet), 0);
        uint256 got = quoteV2(pair, address(weth), 1 ether);
        weth.transfer(address(puppet), 1 ether);
        puppet.add(address(weth), abi.encodeCall(IToken.transfer, (address(executor), 1 ether)));
        puppet.add(address(executor), cycleCallback(route));
        puppet.add(address(executor), cycleCallback(route));
        run(route);
        assertTrue(puppet.succeeded(1));
        assertFalse(puppet.succeeded(2), "twice");
        assertEq(puppet.answers(2), NOT_ARMED);
        assertEq(x.balanceOf(address(puppet)), got, "what the first pair gave");
        assertWhole();
    }

    function test_cycle_refuses_another_route_and_another_caller() public {
        bytes memory route = cycle(address(puppet), 0);
        Puppet friend = new Puppet();
        friend.add(address(executor), cycleCallback(route));
        bytes memory other = cycleCallback(route);
        other[0xa4 + 35] = bytes1(uint8(other[0xa4 + 35]) ^ 1); // the amounts' bytes
        puppet.add(address(executor), other);
        other = cycleCallback(route);
        other[0xa4] = bytes1(uint8(other[0xa4]) ^ 1); // the first pair's
        puppet.add(address(executor), other);
        puppet.add(address(executor), callback(loot()));
        puppet.add(address(executor), hex"10d1e85c"); // no arguments at all
        puppet.add(address(executor), wethHead(0, none()));
        puppet.add(address(friend), hex"01");
        run(route);
        for (uint256 i = 0; i < 5; ++i) {
            assertFalse(puppet.succeeded(i));
            assertEq(puppet.answers(i), NOT_ARMED);
        }
        assertFalse(friend.succeeded(0));
        assertEq(friend.answers(0), NOT_ARMED);
        assertWhole();
    }

    function test_cycle_whose_second_pair_keeps_still_is_over() public {
        bytes memory route = cycle(address(puppet), 0);
        run(route); // got nothing, paid nothing
        vm.prank(address(puppet));
        (bool ok,) = address(executor).call(cycleCallback(route));
        assertFalse(ok);
        assertWhole();
    }

    function test_cycle_whose_second_pair_gives_nothing_fails() public {
        bytes memory route = cycle(address(puppet), 0);
        puppet.add(address(executor), cycleCallback(route));
        fails(route, tooLow(address(weth), 99 ether, 100 ether));
        route = cycle(address(0xdead), 1); // nor has it code
        fails(route, tooLow(address(weth), 100 ether, 100 ether + 1));
        assertWhole();
    }

    function test_cycle_whose_first_pair_takes_too_much_pays_it_once() public {
        // The first pair is the hostile one: it is paid, gives nothing, and cannot call back.
        puppet.add(address(executor), hex"10d1e85c");
        address second = address(new Puppet());
        bytes memory route = RouteLib.v2Cycle(ANY_BLOCK, 0, address(puppet), second, true, 1 ether, 1);
        Puppet(payable(second)).add(address(executor), cycleCallback(route));
        fails(route, tooLow(address(weth), 99 ether, 100 ether));
        assertWhole();
    }

    function test_pool_that_takes_and_gives_nothing_fails_the_route() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, 0, 1 ether));
        puppet.add(address(executor), callback(route));
        fails(route, tooLow(address(weth), 99 ether, 100 ether));
        assertWhole();
    }

    function test_pool_cannot_use_the_owners_functions() public {
        bytes memory route = pool(RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1));
        vm.startPrank(owner);
        executor.setOperator(address(puppet), true);
        executor.transferOwnership(address(puppet));
        vm.stopPrank();
        vm.prank(address(puppet));
        executor.acceptOwnership();
        puppet.add(address(executor), abi.encodeCall(IFlashExecutor.withdraw, (address(weth), stranger, 1 ether)));
        puppet.add(address(executor), abi.encodeCall(IFlashExecutor.setOperator, (stranger, true)));
        puppet.add(address(executor), abi.encodeCall(IFlashExecutor.owner, ()));
        puppet.add(address(executor), wethHead(0, none())); // an operator's route within a route
        vm.prank(operator);
        (bool ok,) = address(executor).call(route);
        assertTrue(ok);
        for (uint256 i = 0; i < 4; ++i) {
            // NotArmed, or out of gas where the arguments look like a route without end.
            assertFalse(puppet.succeeded(i));
        }
        assertWhole();
    }

    function test_pool_at_an_address_without_code_gives_nothing() public {
        bytes memory route =
            bytes.concat(wethHead(1, list(address(0xdead))), RouteLib.v2(0, RouteLib.SELF, true, 1 ether));
        fails(route, tooLow(address(weth), 100 ether, 100 ether + 1));
    }

    function test_errors_of_pools_are_passed_on() public {
        bytes memory route = bytes.concat(wethHead(0, list(pair)), RouteLib.v2(0, RouteLib.SELF, true, 1));
        fails(route, abi.encodeWithSignature("Error(string)", "UniswapV2: INSUFFICIENT_INPUT_AMOUNT"));
    }

    // Builders.

    function test_builder_cannot_reenter() public {
        vm.startPrank(owner);
        executor.setOperator(address(puppet), true);
        executor.transferOwnership(address(puppet));
        vm.stopPrank();
        vm.prank(address(puppet));
        executor.acceptOwnership();
        puppet.add(address(executor), wethHead(0, none()));
        puppet.add(address(executor), abi.encodeCall(IFlashExecutor.withdraw, (address(weth), stranger, 1 ether)));
        vm.coinbase(address(puppet));
        // The profit: a pool that pays 5 WETH for nothing.
        Puppet giver = new Puppet();
        weth.transfer(address(giver), 5 ether);
        giver.add(address(weth), abi.encodeCall(IToken.transfer, (address(executor), 5 ether)));
        bytes memory route = withBid(
            bytes.concat(wethHead(3 ether, list(address(giver))), RouteLib.v2(0, RouteLib.SELF, true, 1)), 2 ether
        );
        vm.prank(operator);
        (bool ok,) = address(executor).call(route);
        assertTrue(ok);
        assertEq(address(puppet).balance, 2 ether);
        assertFalse(puppet.succeeded(0));
        assertEq(puppet.answers(0), NOT_ARMED);
        assertFalse(puppet.succeeded(1));
        assertWhole();
    }

    function test_take_ahead_of_an_unlock_is_no_swap() public {
        (bool ok,) = send(operator, bytes.concat(wethHead(0, list(address(puppet))), RouteLib.v4Take(0, 0xff, 1)));
        assertFalse(ok);
    }

    // Lenders.

    function test_hostile_lender_takes_what_it_was_allowed_and_fails_the_route() public {
        puppet.add(address(weth), abi.encodeCall(IToken.transferFrom, (address(executor), stranger, 10 ether)));
        bytes memory route =
            bytes.concat(wethHead(0, list(address(puppet))), RouteLib.erc3156Loan(RouteLib.WETH, 0, 1, 10 ether));
        fails(route, tooLow(address(weth), 90 ether, 100 ether));
        assertWhole();
    }

    function test_lender_is_allowed_what_the_route_says_and_no_more() public {
        puppet.add(address(weth), abi.encodeCall(IToken.transferFrom, (address(executor), stranger, 10 ether + 1)));
        run(bytes.concat(wethHead(0, list(address(puppet))), RouteLib.erc3156Loan(RouteLib.WETH, 0, 1, 10 ether)));
        assertFalse(puppet.succeeded(0));
        assertWhole();
    }

    function test_lender_that_does_nothing_is_left_no_allowance() public {
        run(bytes.concat(wethHead(0, list(address(puppet))), RouteLib.erc3156Loan(RouteLib.WETH, 0, 1, 10 ether)));
        assertWhole();
    }

    // An operator's leaked key: whatever the route, the funds stay. See also Invariants.t.sol.

    function test_leaked_operator_key_moves_no_funds() public {
        bytes[10] memory routes = [
            // Pay them to a pair that keeps them, in a cycle whose second pair calls back.
            cycle(address(puppet), 0),
            // Send them off.
            bytes.concat(wethHead(0, list(stranger)), RouteLib.transfer(RouteLib.WETH, 0, 100 ether)),
            bytes.concat(head(0, list(address(odd), address(x)), list(stranger)), RouteLib.transfer(1, 2, 100 ether)),
            // Pay them to a pool that gives nothing.
            bytes.concat(wethHead(0, list(pair)), RouteLib.v2Paid(RouteLib.WETH, 0, 0xff, true, 1 ether, 1)),
            // Give them to the builder.
            withBid(wethHead(0, none()), 100 ether),
            withBid(head(0, list(address(0)), none()), 100 ether),
            // Turn one into another.
            bytes.concat(wethHead(0, none()), RouteLib.unwrap(RouteLib.WETH, 1 ether)),
            bytes.concat(wethHead(0, none()), RouteLib.wrap(1 ether)),
            // Leave them with the V4 manager.
            bytes.concat(wethHead(0, none()), RouteLib.v4Unlock(), RouteLib.v4Pay(RouteLib.NOBODY, 1 ether)),
            bytes.concat(wethHead(0, none()), RouteLib.v4Unlock(), RouteLib.v4Pay(RouteLib.WETH, 1 ether))
        ];
        puppet.add(address(executor), cycleCallback(routes[0]));
        for (uint256 i = 0; i < 10; ++i) {
            (bool ok,) = send(operator, routes[i]);
            assertFalse(ok, vm.toString(i));
            assertWhole();
        }
    }

    function test_leaked_operator_key_cannot_sell_x_for_less_under_another_base() public {
        // WETH grows while x, listed, shrinks.
        uint256 out = quoteV2(pair, address(x), 1 ether);
        fails(
            bytes.concat(
                RouteLib.head(2, ANY_BLOCK, 0, list(address(x)), list(pair)),
                RouteLib.v2Paid(0, 1, 0xff, isToken1(pair, address(weth)), 1 ether, out)
            ),
            tooLow(address(x), 99 ether, 100 ether)
        );
        assertWhole();
    }

    function test_ether_cannot_leave_while_the_base_asset_grows() public {
        fails(bytes.concat(wethHead(0, none()), RouteLib.wrap(1 ether)), tooLow(address(0), 99 ether, 100 ether));
    }
}
