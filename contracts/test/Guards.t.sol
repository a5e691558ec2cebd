// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Market} from "./support/Market.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {Hoard, Puppet} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

/// @title Sources within sources, any amount, and what guards a route: profit, blocks, deadline, the builder's payment
contract GuardsTest is Market {
    // Sources within the callback of another: the route does not begin where the calldata does.

    function nested(bytes memory loan, bytes memory repay) internal view returns (bytes memory) {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        return bytes.concat(RouteLib.v4Unlock(), loan, v2Pair(out, got), repay);
    }

    function test_loans_within_the_callback_of_another() public {
        uint256 profit = quoteV2(v2Dear, address(x), quoteV2(v2Cheap, address(weth), IN)) - IN;
        address[] memory others = list(v2Cheap, v2Dear, address(lender));
        uint256 state = vm.snapshotState();
        bytes memory repay = RouteLib.transfer(RouteLib.WETH, RouteLib.BALANCER_VAULT, IN);
        exactly(profit, none(), others, nested(RouteLib.balancerLoan(RouteLib.WETH, IN), repay));
        vm.revertToState(state);
        uint256 premium = IN * 5 / 10_000;
        exactly(profit - premium, none(), others, nested(RouteLib.aaveLoan(RouteLib.WETH, IN, IN + premium), ""));
        vm.revertToState(state);
        uint256 fee = lender.flashFee(address(weth), IN);
        exactly(profit - fee, none(), others, nested(RouteLib.erc3156Loan(RouteLib.WETH, 2, IN, IN + fee), ""));
    }

    function test_unlock_and_flash_within_a_loan() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        bytes memory borrow = bytes.concat(
            RouteLib.balancerLoan(RouteLib.WETH, 1 ether),
            RouteLib.v4Unlock(),
            RouteLib.v4Take(RouteLib.WETH, RouteLib.SELF, 1 ether)
        );
        bytes memory repay = bytes.concat(
            RouteLib.v4Pay(RouteLib.WETH, 1 ether), RouteLib.transfer(RouteLib.WETH, RouteLib.BALANCER_VAULT, 1 ether)
        );
        exactly(
            out - IN,
            none(),
            list(v2Cheap, v2Dear),
            bytes.concat(borrow, RouteLib.v2Flash(1, isToken1(v2Dear, address(weth)), out), buyX(0, 1, got), repay)
        );
    }

    // Any amount: what the protocols say a cycle gives is what it gives, profit or loss, to the wei.

    function testFuzz_any_amount(uint256 amount, bool cheapFirst, bool overV3) public {
        amount = _bound(amount, 1e9, 400 ether);
        address first = overV3 ? (cheapFirst ? v3Cheap : v3Dear) : (cheapFirst ? v2Cheap : v2Dear);
        address second = cheapFirst ? v2Dear : v2Cheap;
        uint256 got = overV3 ? quoteV3(first, wethToX(), amount) : quoteV2(first, address(weth), amount);
        uint256 out = quoteV2(second, address(x), got);
        bytes memory sell = RouteLib.v2(1, RouteLib.SELF, isToken1(second, address(weth)), out);
        bytes memory steps = overV3
            ? bytes.concat(RouteLib.v3(0, 1, wethToX(), amount), sell, RouteLib.transfer(RouteLib.WETH, 0, amount))
            : bytes.concat(
                RouteLib.v4Unlock(),
                RouteLib.v4Take(RouteLib.WETH, RouteLib.SELF, amount),
                RouteLib.v2Paid(RouteLib.WETH, 0, 1, isToken1(first, address(x)), amount, got),
                sell,
                RouteLib.v4Pay(RouteLib.WETH, amount)
            );
        weth.transfer(address(manager), 400 ether);
        weth.transfer(address(executor), 1000 ether);
        uint256 before = weth.balanceOf(address(executor));
        if (out < amount) {
            fails(
                bytes.concat(wethHead(0, list(first, second)), steps),
                tooLow(address(weth), before + out - amount, before)
            );
        } else {
            run(bytes.concat(wethHead(out - amount, list(first, second)), steps));
            assertEq(weth.balanceOf(address(executor)), before + out - amount);
        }
    }

    // Guards and the builder.

    function profitable() internal view returns (uint256 profit, bytes memory steps) {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 out = quoteV2(v2Dear, address(x), got);
        steps = bytes.concat(RouteLib.v2Flash(1, isToken1(v2Dear, address(weth)), out), buyX(0, 1, got));
        profit = out - IN;
    }

    function test_builder_is_paid_out_of_profit() public {
        (uint256 profit, bytes memory steps) = profitable();
        bytes memory route = bytes.concat(wethHead(profit - 0.01 ether, list(v2Cheap, v2Dear)), steps);
        fails(withBid(route, 0.01 ether + 1), tooLow(address(weth), 1 + profit, 1 + profit + 1));
        run(withBid(route, 0.01 ether));
        assertEq(builder.balance, 1 + 0.01 ether);
        assertEq(weth.balanceOf(address(executor)), 1 + profit - 0.01 ether);
        assertEq(address(executor).balance, 0);
    }

    function test_builder_gets_all_of_the_profit_at_most() public {
        (uint256 profit, bytes memory steps) = profitable();
        bytes memory route = bytes.concat(wethHead(0, list(v2Cheap, v2Dear)), steps);
        fails(withBid(route, profit + 1), tooLow(address(weth), 1 + profit, 1 + profit + 1));
        run(withBid(route, profit));
        assertEq(weth.balanceOf(address(executor)), 1);
    }

    function test_bid_beyond_the_profit_that_is_checked_fails() public {
        (, bytes memory steps) = profitable();
        bytes memory route = bytes.concat(wethHead(0.01 ether, list(v2Cheap, v2Dear)), steps);
        route[0] = bytes1(uint8(6));
        bytes memory greedy = bytes.concat(route, RouteLib.bid(0.01 ether + 1));
        fails(greedy, abi.encodeWithSelector(IFlashExecutor.BadRoute.selector));
        run(bytes.concat(route, RouteLib.bid(0.01 ether)));
        assertEq(builder.balance, 1 + 0.01 ether);
    }

    function test_builder_is_paid_out_of_a_v2_cycle() public {
        uint256 got = quoteV2(v2Cheap, address(weth), IN);
        uint256 profit = quoteV2(v2Dear, address(x), got) - IN;
        bool wethIsToken1 = isToken1(v2Cheap, address(weth));
        // The pair gives what the profit and the bid ask for, and fails when that is a wei more than it can.
        bytes memory route = RouteLib.v2Cycle(ANY_BLOCK, profit - 0.01 ether, v2Cheap, v2Dear, wethIsToken1, IN, got);
        fails(withBid(route, 0.01 ether + 1), abi.encodeWithSignature("Error(string)", "UniswapV2: K"));
        run(withBid(route, 0.01 ether));
        assertEq(builder.balance, 1 + 0.01 ether);
        assertEq(weth.balanceOf(address(executor)), 1 + profit - 0.01 ether);
        assertEq(address(executor).balance, 0);
    }

    function test_last_block_of_a_v2_cycle() public {
        bytes memory route = RouteLib.v2Cycle(uint32(block.number), 0, v2Cheap, v2Dear, true, IN, 1);
        vm.roll(block.number + 1);
        fails(route, abi.encodeWithSelector(IFlashExecutor.Expired.selector));
    }

    function test_builder_that_refuses_fails_the_route() public {
        (, bytes memory steps) = profitable();
        vm.coinbase(v2Cheap); // a pair takes no ether
        bytes memory route = bytes.concat(wethHead(0, list(v2Cheap, v2Dear)), steps);
        fails(withBid(route, 1), abi.encodeWithSelector(IFlashExecutor.BidRefused.selector));
    }

    function test_bid_in_another_token_fails() public {
        bytes memory route = head(0, list(address(x)), none());
        x.transfer(address(executor), 1 ether);
        fails(withBid(route, 0), abi.encodeWithSelector(IFlashExecutor.BidNotInEther.selector));
    }

    function test_bid_flag_without_bid_step_fails() public {
        (, bytes memory steps) = profitable();
        bytes memory route = bytes.concat(wethHead(0, list(v2Cheap, v2Dear)), steps);
        route[0] = bytes1(uint8(6));
        fails(route, abi.encodeWithSelector(IFlashExecutor.BadRoute.selector));
    }

    function test_bid_step_without_flag_pays_nobody() public {
        (uint256 profit, bytes memory steps) = profitable();
        run(bytes.concat(wethHead(profit, list(v2Cheap, v2Dear)), steps, RouteLib.bid(0.01 ether)));
        assertEq(builder.balance, 1);
    }

    function test_bid_with_base_ether() public {
        vm.deal(address(executor), 1 ether);
        bytes memory route = head(0, list(address(0)), none());
        fails(withBid(route, 1), tooLow(address(0), 1 ether, 1 ether + 1));
        // A gift makes the profit.
        vm.deal(operator, 1 ether);
        vm.prank(operator);
        (bool ok,) = address(executor).call{value: 5}(withBid(route, 5));
        assertFalse(ok, "ether that comes with the call is no profit");
    }

    function test_last_block() public {
        (uint256 profit, bytes memory steps) = profitable();
        bytes memory route =
            bytes.concat(RouteLib.head(2, uint32(block.number), uint96(profit), none(), list(v2Cheap, v2Dear)), steps);
        vm.roll(block.number + 1);
        fails(route, abi.encodeWithSelector(IFlashExecutor.Expired.selector));
        vm.roll(block.number - 1);
        run(route);
    }

    function test_deadline() public {
        (uint256 profit, bytes memory steps) = profitable();
        bytes memory route =
            bytes.concat(wethHead(profit, list(v2Cheap, v2Dear)), RouteLib.deadline(uint32(block.timestamp)), steps);
        vm.warp(block.timestamp + 1);
        fails(route, abi.encodeWithSelector(IFlashExecutor.Expired.selector));
        vm.warp(block.timestamp - 1);
        run(route);
    }

    function test_parent_block() public {
        (uint256 profit, bytes memory steps) = profitable();
        vm.setBlockhash(block.number - 1, keccak256("parent"));
        bytes memory start = wethHead(profit, list(v2Cheap, v2Dear));
        fails(
            bytes.concat(start, RouteLib.parent(keccak256("uncle")), steps),
            abi.encodeWithSelector(IFlashExecutor.WrongParent.selector)
        );
        run(bytes.concat(start, RouteLib.parent(keccak256("parent")), steps));
    }

    /// @dev A pool that pays 1 WETH for nothing, and calls nobody back.
    function giver() internal returns (address pool) {
        Puppet puppet = new Puppet();
        weth.transfer(address(puppet), 1 ether);
        puppet.add(address(weth), abi.encodeCall(IToken.transfer, (address(executor), 1 ether)));
        return address(puppet);
    }

    function test_guards_hold_only_ahead_of_a_step_that_calls_back() public {
        bytes memory start = wethHead(1 ether, list(giver()));
        bytes memory swap = RouteLib.v3(0, RouteLib.SELF, true, 1);
        bytes memory late = RouteLib.deadline(uint32(block.timestamp) - 1);
        bytes memory orphan = RouteLib.parent(bytes32(uint256(1)));
        fails(bytes.concat(start, late, swap), abi.encodeWithSelector(IFlashExecutor.Expired.selector));
        fails(bytes.concat(start, orphan, swap), abi.encodeWithSelector(IFlashExecutor.WrongParent.selector));
        run(bytes.concat(start, swap, late, orphan)); // the pool keeps still, and pays all the same
    }

    function test_profit_beyond_the_largest_number_fails() public {
        uint256 most = type(uint256).max;
        Hoard hoard = new Hoard(address(executor), most - 1);
        bytes memory send = RouteLib.transfer(0, 1, 1 ether);
        address[] memory tokens = list(address(hoard));
        fails(bytes.concat(head(2, tokens, list(stranger)), send), tooLow(address(hoard), most - 1, most));
        uint256 left = most - 1 - 1 ether;
        fails(bytes.concat(head(0, tokens, list(stranger)), send), tooLow(address(hoard), left, most - 1));
        fails(bytes.concat(head(1, tokens, list(stranger)), send), tooLow(address(hoard), left, most));
        Puppet puppet = new Puppet();
        hoard.transfer(address(puppet), 1);
        puppet.add(address(hoard), abi.encodeCall(IToken.transfer, (address(executor), 1)));
        run(bytes.concat(head(1, tokens, list(address(puppet))), RouteLib.v2(1, RouteLib.SELF, true, 1)));
        assertEq(hoard.balanceOf(address(executor)), most);
        assertEq(hoard.balanceOf(stranger), 0);
        run(head(0, list(address(new Hoard(stranger, 1))), none())); // of which it has none
    }

    // V4: "all that is owed" is what the step V4 take may say, and nothing else.

    function v4Sells(uint8 to, uint256 amount) internal view returns (bytes memory) {
        bool zeroForOne = wethToX();
        (uint8 c0, uint8 c1) = zeroForOne ? (RouteLib.WETH, uint8(0)) : (uint8(0), RouteLib.WETH);
        return RouteLib.v4Swap(c0, c1, 3000, 60, RouteLib.NOBODY, to, zeroForOne, amount);
    }

    function test_v4_swap_and_loan_of_nothing_take_nothing() public {
        weth.transfer(address(executor), 10 ether);
        bytes memory start = RouteLib.head(2, ANY_BLOCK, 0, list(address(x)), list(stranger, giver()));
        bytes memory credit = bytes.concat(RouteLib.v2(2, RouteLib.SELF, true, 1), RouteLib.v4Unlock());
        credit = bytes.concat(start, credit, v4Sells(RouteLib.NOBODY, 0.9 ether));
        bytes memory nothing = v4Sells(1, 1); // the fee is all of it
        bytes memory pay = RouteLib.v4Pay(RouteLib.WETH, 0.9 ether + 1);
        bytes memory unsettled = abi.encodeWithSignature("CurrencyNotSettled()");
        fails(bytes.concat(credit, nothing, pay), unsettled);
        fails(bytes.concat(credit, RouteLib.v4Loan(0, 0), RouteLib.v4Pay(RouteLib.WETH, 0.9 ether)), unsettled);
        uint256 before = x.balanceOf(address(executor));
        run(bytes.concat(credit, nothing, RouteLib.v4Take(0, RouteLib.SELF, 0), pay));
        assertGt(x.balanceOf(address(executor)), before + 2000 ether);
        assertEq(x.balanceOf(stranger), 0);
    }

    // Long routes: where a callback goes on is kept in 16 bits.

    /// @dev So many bytes of steps that do nothing, of 5 and 13 bytes.
    function padding(uint256 size) internal pure returns (bytes memory out) {
        out = new bytes(size);
        uint256 fives = 5 * (8 * size % 13);
        for (uint256 i = 0; i < fives; i += 5) {
            (out[i], out[i + 1]) = (0x12, 0xff); // a deadline to come
        }
        for (uint256 i = fives; i < size; i += 13) {
            out[i] = 0x14; // a bid without the flag
        }
    }

    function test_longest_route() public {
        bytes memory loan = bytes.concat(RouteLib.v4Unlock(), RouteLib.v4Loan(RouteLib.WETH, 1 ether));
        uint256 room = 32_767 - 18 - loan.length;
        run(bytes.concat(wethHead(0, none()), padding(room), loan));
        fails(
            bytes.concat(wethHead(0, none()), padding(room + 1), loan),
            abi.encodeWithSelector(IFlashExecutor.BadRoute.selector)
        );
    }

    function test_callback_cannot_be_made_to_go_on_in_the_table() public {
        // In 16 bits, 65,536 + 62 is 62, where the table's last row has the bytes of a step; bit 16 is the one that says
        // that WETH is counted, which it is not here.
        weth.transfer(address(executor), 10 ether);
        Puppet puppet = new Puppet();
        bytes memory step = RouteLib.transfer(RouteLib.WETH, 2, 10 ether);
        address row = address(bytes20(bytes.concat(hex"00", step)));
        bytes memory route = RouteLib.head(1, ANY_BLOCK, 0, list(address(x)), list(address(puppet), stranger, row));
        uint256 at = 65_536 + 62 + 1; // the flash swap's place: 17 bytes are not carried, 16 are its own
        route = bytes.concat(route, padding(at - route.length), RouteLib.v2Flash(1, true, 1));
        string memory callback = "uniswapV2Call(address,uint256,uint256,bytes)";
        puppet.add(address(executor), abi.encodeWithSignature(callback, executor, 0, 1, carried(route)));
        fails(route, abi.encodeWithSelector(IFlashExecutor.BadRoute.selector));
        assertEq(weth.balanceOf(address(executor)), 10 ether + 1);
        assertEq(weth.balanceOf(stranger), 0);
    }
}
