// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {OddToken, Puppet, Lender, Liar, Waker} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

/// @title Hostile tokens, pools, lenders, builders, and an operator's leaked key
/// @dev The executor holds 100 WETH, 100 x, 100 odd tokens and 100 ether throughout.
contract HostileTest is World {
    OddToken internal odd;
    Puppet internal puppet;
    address internal pair;
    address internal v3;
    bytes internal constant NOT_ARMED = abi.encodeWithSelector(IFlashExecutor.NotArmed.selector);

    function setUp() public {
        deployTokens();
        deployV2();
        deployV3();
        deployV4();
        deployBalancer();
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

    function loot() internal view returns (bytes memory) {
        return bytes.concat(wethHead(0, none()), RouteLib.transfer(RouteLib.WETH, RouteLib.SELF, 1 ether));
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

    /// @dev `second` is to give 1 ether and the profit for what `pair` gives for 1 ether of WETH.
    function cycle(address second, uint256 profit) internal view returns (bytes memory) {
        uint256 got = quoteV2(pair, address(weth), 1 ether);
        return RouteLib.v2Cycle(ANY_BLOCK, profit, pair, second, isToken1(pair, address(weth)), 1 ether, got);
    }

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

    // Tokens.

    function sends(uint256 amount, uint256 minProfit) internal view returns (bytes memory) {
        return bytes.concat(head(minProfit, list(address(odd)), list(stranger)), RouteLib.transfer(0, 1, amount));
    }

    function test_token_tempers() public {
        bytes memory failed = abi.encodeWithSelector(IFlashExecutor.TransferFailed.selector, address(odd));
        OddToken.Mode[5] memory bad = [
            OddToken.Mode.RETURN_FALSE,
            OddToken.Mode.RETURN_TWO,
            OddToken.Mode.RETURN_SHORT,
            OddToken.Mode.PAUSED,
            OddToken.Mode.REVERT_ONE // its data would be a yes
        ];
        for (uint256 i = 0; i < 5; ++i) {
            odd.set(bad[i]);
            fails(sends(0, 0), failed);
            fails(
                bytes.concat(head(0, list(address(odd)), list(pair)), RouteLib.v2Paid(0, 1, 0xff, true, 0, 0)), failed
            );
            fails(bytes.concat(head(0, list(address(odd)), none()), RouteLib.v4Unlock(), RouteLib.v4Pay(0, 0)), failed);
        }
        odd.set(OddToken.Mode.NO_RETURN);
        run(sends(0, 0));
        run(bytes.concat(head(0, list(address(odd)), none()), RouteLib.v4Unlock(), RouteLib.v4Pay(0, 0)));
        address[] memory puppets = list(address(puppet));
        run(bytes.concat(head(0, list(address(odd)), puppets), RouteLib.v2Paid(0, 1, 0xff, true, 0, 0)));
        odd.set(OddToken.Mode.NO_BALANCE);
        fails(sends(0, 0), abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, address(odd)));
        fails(head(0, list(stranger), none()), abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, stranger));
    }

    function test_base_asset_that_stops_answering_fails_the_route() public {
        puppet.add(address(odd), abi.encodeCall(OddToken.set, (OddToken.Mode.NO_BALANCE)));
        fails(
            bytes.concat(head(0, list(address(odd)), list(address(puppet))), RouteLib.v2(1, 0xff, true, 1)),
            abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, address(odd))
        );
    }

    function test_base_asset_that_stops_answering_fails_the_route_however_little_is_held() public {
        OddToken little = new OddToken(1); // less than the selector that stands where the answer would
        little.transfer(address(executor), 1);
        puppet.add(address(little), abi.encodeCall(OddToken.set, (OddToken.Mode.NO_BALANCE)));
        fails(
            bytes.concat(head(0, list(address(little)), list(address(puppet))), RouteLib.v2(1, 0xff, true, 1)),
            abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, address(little))
        );
    }

    function test_wrapped_native_token_without_code_is_no_base_asset() public {
        bytes memory arguments = abi.encode(owner, operator, address(0), address(0), address(0), stranger);
        executor = IFlashExecutor(vm.deployCode("FlashExecutor.sol:FlashExecutor", arguments));
        bytes memory error = abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, stranger);
        fails(wethHead(0, none()), error);
        fails(cycle(pair, 0), error);
    }

    function test_token_without_code_does_not_leave() public {
        // Its balance cannot be read, so it cannot be listed; as a transfer's token it would have to be.
        fails(
            head(0, list(address(weth), stranger), none()),
            abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, stranger)
        );
    }

    function test_fee_on_transfer_token_fails_the_pair_and_loses_nothing() public {
        address oddPair = v2Pool(sushi, address(odd), address(weth), 1000 ether, 1000 ether);
        odd.set(OddToken.Mode.FEE);
        uint256 out = quoteV2(oddPair, address(odd), 1 ether);
        // Paid with a token that takes a fee.
        bytes memory listed = bytes.concat(
            RouteLib.head(2, ANY_BLOCK, 0, list(address(odd)), list(oddPair)),
            RouteLib.v2Flash(1, isToken1(oddPair, address(weth)), out),
            RouteLib.transfer(0, 1, 1 ether)
        );
        fails(listed, abi.encodeWithSignature("Error(string)", "UniswapV2: K"));
        assertWhole();
    }

    function test_salmonella_pays_us_less_and_fails_the_route() public {
        // The pool sends 1 odd token, its log says so, and a tenth arrives.
        odd.transfer(address(puppet), 1 ether);
        puppet.add(address(odd), abi.encodeCall(IToken.transfer, (address(executor), 1 ether)));
        odd.set(OddToken.Mode.SALMONELLA);
        fails(
            bytes.concat(head(1 ether, list(address(odd)), list(address(puppet))), RouteLib.v2(1, 0xff, true, 1)),
            tooLow(address(odd), 100.1 ether, 101 ether)
        );
        assertWhole();
    }

    function test_reentrant_token_gets_nowhere() public {
        vm.prank(owner);
        executor.setOperator(address(odd), true);
        odd.setCall(address(executor), wethHead(0, none()));
        run(sends(0, 0));
        assertTrue(odd.reentered());
        assertEq(odd.answer(), NOT_ARMED);
    }

    function test_token_that_lies_about_its_balance_harms_itself_alone() public {
        // A base asset that counts as it likes lets nothing else leave: what else moves is listed and counted.
        Liar liar = new Liar();
        address[] memory tokens = list(address(liar), address(weth));
        fails(
            bytes.concat(head(1, tokens, list(stranger)), RouteLib.transfer(1, 2, 1 ether)),
            tooLow(address(weth), 99 ether, 100 ether)
        );
        run(bytes.concat(head(0, tokens, list(stranger)), RouteLib.transfer(0, 2, 1 ether)));
        fails(withBid(head(0, tokens, none()), 0), abi.encodeWithSelector(IFlashExecutor.BidNotInEther.selector));
        assertWhole();
    }

    // Approvals.

    function test_allowances_that_a_token_keeps_are_taken_back() public {
        Lender lender = new Lender();
        odd.transfer(address(lender), 1000 ether);
        odd.set(OddToken.Mode.STICKY_ALLOWANCE);
        address[] memory tokens = list(address(odd));
        uint256 fee = lender.flashFee(address(odd), 1 ether);
        odd.transfer(address(puppet), 1 ether);
        puppet.add(address(odd), abi.encodeCall(IToken.transfer, (address(executor), fee)));
        run(
            bytes.concat(
                head(0, tokens, list(address(lender), address(puppet))),
                RouteLib.erc3156Loan(0, 1, 1 ether, 1 ether + fee),
                RouteLib.v2(2, 0xff, true, 1)
            )
        );
        assertEq(odd.allowance(address(executor), address(lender)), 0);
    }

    /// @dev Sells 1 odd token to a Balancer pool; the puppet gives one back, so that none is missing.
    function sellOddOnBalancer() internal returns (bytes memory) {
        bytes32 id = weightedPool(address(odd), address(weth), 1000 ether, 1000 ether, 0.5e18, 0.001e18);
        odd.transfer(address(puppet), 1 ether);
        puppet.add(address(odd), abi.encodeCall(IToken.transfer, (address(executor), 1 ether)));
        return bytes.concat(
            RouteLib.head(2, ANY_BLOCK, 0, list(address(odd)), list(address(puppet))),
            RouteLib.balancer(id, 0, RouteLib.WETH, RouteLib.SELF, 1 ether),
            RouteLib.v2(1, 0xff, true, 1)
        );
    }

    function test_allowance_that_a_token_keeps_after_a_balancer_swap_is_taken_back() public {
        bytes memory route = sellOddOnBalancer();
        odd.set(OddToken.Mode.STICKY_ALLOWANCE);
        run(route);
        assertEq(odd.allowance(address(executor), address(vault)), 0);
        assertGt(weth.balanceOf(address(executor)), 100 ether);
    }

    function test_token_cannot_reenter_from_a_first_step_that_arms_nobody() public {
        bytes memory route = sellOddOnBalancer();
        vm.prank(owner);
        executor.setOperator(address(odd), true);
        odd.setCall(address(executor), wethHead(0, none()));
        run(route);
        assertTrue(odd.reentered());
        assertEq(odd.answer(), NOT_ARMED);
    }

    function test_approvals_that_fail_fail_the_route() public {
        odd.set(OddToken.Mode.RETURN_FALSE);
        bytes memory error = abi.encodeWithSelector(IFlashExecutor.ApproveFailed.selector, address(odd));
        address[] memory tokens = list(address(odd));
        fails(bytes.concat(head(0, tokens, tokens), RouteLib.balancer(0, 0, 0, 0xff, 1)), error);
        fails(bytes.concat(head(0, tokens, tokens), RouteLib.aaveLoan(0, 1, 1)), error);
        fails(bytes.concat(head(0, tokens, tokens), RouteLib.erc3156Loan(0, 0, 1, 1)), error);
        odd.set(OddToken.Mode.REVERT_ONE);
        fails(bytes.concat(head(0, tokens, tokens), RouteLib.aaveLoan(0, 1, 1)), error);
        odd.set(OddToken.Mode.NO_ALLOWANCE);
        fails(
            bytes.concat(head(0, tokens, list(address(puppet))), RouteLib.erc3156Loan(0, 1, 1, 1)),
            abi.encodeWithSelector(IFlashExecutor.NotAToken.selector, address(odd))
        );
    }

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
