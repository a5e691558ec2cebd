// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {World} from "./support/World.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {OddToken, Puppet} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

/// @title Who can call what: owner, pending owner, operators, strangers
contract AccessTest is World {
    bytes4 internal constant UNAUTHORIZED = IFlashExecutor.Unauthorized.selector;

    function setUp() public {
        deployTokens();
        deployExecutor();
    }

    function test_made_with() public view {
        assertEq(executor.owner(), owner);
        assertEq(executor.pendingOwner(), address(0));
        assertTrue(executor.isOperator(operator));
        assertFalse(executor.isOperator(owner));
        Config memory config = executor.config();
        assertEq(config.weth, address(weth));
        assertEq(config.poolManager, address(manager));
        assertEq(config.balancerVault, address(vault));
        assertEq(config.aavePool, address(aave));
    }

    function make(address owner_, address operator_, address weth_) internal returns (IFlashExecutor) {
        bytes memory arguments = abi.encode(owner_, operator_, address(1), address(2), address(3), weth_);
        return IFlashExecutor(vm.deployCode("FlashExecutor.sol:FlashExecutor", arguments));
    }

    function test_made_without_operator() public {
        vm.recordLogs();
        IFlashExecutor made = make(owner, address(0), address(weth));
        assertEq(vm.getRecordedLogs().length, 1, "only the owner");
        assertFalse(made.isOperator(address(0)));
        Config memory config = made.config();
        assertEq(config.poolManager, address(1));
        assertEq(config.balancerVault, address(2));
        assertEq(config.aavePool, address(3));
    }

    function test_made_with_events() public {
        vm.expectEmit();
        emit IFlashExecutor.OwnershipMoved(address(0), owner);
        vm.expectEmit();
        emit IFlashExecutor.OperatorSet(operator, true);
        make(owner, operator, address(weth));
    }

    function test_not_made_without_owner() public {
        try this.tryMake(address(0), address(weth)) {
            fail();
        } catch {}
    }

    function test_not_made_without_weth() public {
        try this.tryMake(owner, address(0)) {
            fail();
        } catch {}
    }

    function tryMake(address owner_, address weth_) external {
        make(owner_, operator, weth_);
    }

    function test_no_selector_looks_like_a_route() public pure {
        bytes4[9] memory selectors = [
            IFlashExecutor.owner.selector,
            IFlashExecutor.pendingOwner.selector,
            IFlashExecutor.isOperator.selector,
            IFlashExecutor.config.selector,
            IFlashExecutor.setOperator.selector,
            IFlashExecutor.transferOwnership.selector,
            IFlashExecutor.acceptOwnership.selector,
            IFlashExecutor.withdraw.selector,
            bytes4(0x08000000)
        ];
        for (uint256 i = 0; i < 9; ++i) {
            assertGe(uint8(selectors[i][0]), 8);
        }
    }

    // Operators.

    function test_owner_sets_and_revokes_operators_at_once() public {
        bytes memory route = wethHead(0, none());
        (bool ok, bytes memory answer) = send(stranger, route);
        assertFalse(ok);
        assertEq(answer, abi.encodeWithSelector(UNAUTHORIZED));
        vm.expectEmit();
        emit IFlashExecutor.OperatorSet(stranger, true);
        vm.prank(owner);
        executor.setOperator(stranger, true);
        assertTrue(executor.isOperator(stranger));
        (ok,) = send(stranger, route);
        assertTrue(ok);
        vm.expectEmit();
        emit IFlashExecutor.OperatorSet(stranger, false);
        vm.prank(owner);
        executor.setOperator(stranger, false);
        assertFalse(executor.isOperator(stranger));
        (ok, answer) = send(stranger, route);
        assertFalse(ok);
        assertEq(answer, abi.encodeWithSelector(UNAUTHORIZED));
        (ok,) = send(operator, route);
        assertTrue(ok, "the other operator");
    }

    function test_owner_runs_no_routes() public {
        (bool ok, bytes memory answer) = send(owner, wethHead(0, none()));
        assertFalse(ok);
        assertEq(answer, abi.encodeWithSelector(UNAUTHORIZED));
    }

    function test_nobody_else_administers() public {
        address[2] memory others = [operator, stranger];
        for (uint256 i = 0; i < 2; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(UNAUTHORIZED);
            executor.setOperator(others[i], true);
            vm.expectRevert(UNAUTHORIZED);
            executor.transferOwnership(others[i]);
            vm.expectRevert(UNAUTHORIZED);
            executor.acceptOwnership();
            vm.expectRevert(UNAUTHORIZED);
            executor.withdraw(address(weth), others[i], 1);
            vm.expectRevert(UNAUTHORIZED);
            executor.withdraw(address(0), others[i], 0);
            vm.stopPrank();
        }
    }

    // Ownership.

    function test_ownership_moves_in_two_steps() public {
        vm.expectEmit();
        emit IFlashExecutor.OwnershipOffered(owner, stranger);
        vm.prank(owner);
        executor.transferOwnership(stranger);
        assertEq(executor.owner(), owner);
        assertEq(executor.pendingOwner(), stranger);
        vm.prank(stranger);
        vm.expectRevert(UNAUTHORIZED);
        executor.setOperator(stranger, true);
        vm.prank(operator);
        vm.expectRevert(UNAUTHORIZED);
        executor.acceptOwnership();
        vm.expectEmit();
        emit IFlashExecutor.OwnershipMoved(owner, stranger);
        vm.prank(stranger);
        executor.acceptOwnership();
        assertEq(executor.owner(), stranger);
        assertEq(executor.pendingOwner(), address(0));
        vm.prank(owner);
        vm.expectRevert(UNAUTHORIZED);
        executor.withdraw(address(weth), owner, 1);
        vm.prank(stranger);
        executor.withdraw(address(weth), stranger, 1);
        assertEq(weth.balanceOf(stranger), 1);
    }

    function test_offer_is_taken_back() public {
        vm.startPrank(owner);
        executor.transferOwnership(stranger);
        executor.transferOwnership(address(0));
        vm.stopPrank();
        vm.prank(stranger);
        vm.expectRevert(UNAUTHORIZED);
        executor.acceptOwnership();
        vm.prank(address(0));
        executor.acceptOwnership; // nobody holds the key of the zero address
    }

    // Withdrawals.

    function test_withdraws_tokens_and_ether() public {
        weth.transfer(address(executor), 5 ether);
        vm.deal(address(executor), 3 ether);
        vm.startPrank(owner);
        vm.expectEmit(address(executor));
        emit IFlashExecutor.Withdrawn(address(weth), stranger, 2 ether);
        executor.withdraw(address(weth), stranger, 2 ether);
        vm.expectEmit(address(executor));
        emit IFlashExecutor.Withdrawn(address(0), stranger, 1 ether);
        executor.withdraw(address(0), stranger, 1 ether);
        vm.stopPrank();
        assertEq(weth.balanceOf(stranger), 2 ether);
        assertEq(stranger.balance, 1 ether);
        assertEq(weth.balanceOf(address(executor)), 3 ether + 1);
        assertEq(address(executor).balance, 2 ether);
    }

    function test_withdraws_nothing_to_the_zero_address() public {
        vm.startPrank(owner);
        vm.expectRevert(IFlashExecutor.ZeroAddress.selector);
        executor.withdraw(address(weth), address(0), 1);
        vm.expectRevert(IFlashExecutor.ZeroAddress.selector);
        executor.withdraw(address(0), address(0), 0);
    }

    function test_withdraws_no_more_than_there_is() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IFlashExecutor.TransferFailed.selector, address(weth)));
        executor.withdraw(address(weth), owner, 2);
        vm.expectRevert(IFlashExecutor.EtherRefused.selector);
        executor.withdraw(address(0), owner, 1);
    }

    function test_withdraws_ether_to_no_contract_that_refuses() public {
        vm.deal(address(executor), 1);
        vm.prank(owner);
        vm.expectRevert(IFlashExecutor.EtherRefused.selector);
        executor.withdraw(address(0), address(x), 1);
    }

    function test_withdraws_odd_tokens() public {
        OddToken odd = new OddToken(100);
        odd.transfer(address(executor), 100);
        bytes memory failed = abi.encodeWithSelector(IFlashExecutor.TransferFailed.selector, address(odd));
        OddToken.Mode[4] memory bad =
            [OddToken.Mode.RETURN_FALSE, OddToken.Mode.RETURN_TWO, OddToken.Mode.RETURN_SHORT, OddToken.Mode.PAUSED];
        vm.startPrank(owner);
        for (uint256 i = 0; i < 4; ++i) {
            odd.set(bad[i]);
            vm.expectRevert(failed);
            executor.withdraw(address(odd), owner, 10);
        }
        odd.set(OddToken.Mode.NO_RETURN);
        executor.withdraw(address(odd), owner, 10);
        odd.set(OddToken.Mode.NORMAL);
        executor.withdraw(address(odd), owner, 90);
        assertEq(odd.balanceOf(owner), 100);
        vm.expectRevert(abi.encodeWithSelector(IFlashExecutor.TransferFailed.selector, address(0xdead)));
        executor.withdraw(address(0xdead), owner, 0);
    }

    // Calls that are none.

    function test_unknown_calls_fail() public {
        bytes[4] memory calls = [bytes(hex"08"), hex"ff", hex"deadbeef", hex"8da5cb5bff"];
        for (uint256 i = 0; i < 3; ++i) {
            (bool ok, bytes memory answer) = send(owner, calls[i]);
            assertFalse(ok);
            if (calls[i].length >= 4) assertEq(answer, abi.encodeWithSelector(IFlashExecutor.UnknownCall.selector));
        }
    }

    function test_functions_take_no_ether_and_bad_arguments() public {
        vm.deal(owner, 1);
        vm.startPrank(owner);
        bool ok;
        bytes memory answer;
        bytes4[2] memory views = [IFlashExecutor.owner.selector, IFlashExecutor.config.selector];
        for (uint256 i = 0; i < 2; ++i) {
            (ok, answer) = address(executor).call{value: 1}(abi.encodeWithSelector(views[i]));
            assertFalse(ok);
            assertEq(answer, abi.encodeWithSelector(IFlashExecutor.UnknownCall.selector));
        }
        (ok,) = address(executor).call(abi.encodePacked(IFlashExecutor.setOperator.selector, uint256(uint160(owner))));
        assertFalse(ok, "half of the arguments");
        (ok,) = address(executor)
            .call(abi.encodeWithSelector(IFlashExecutor.setOperator.selector, uint256(uint160(owner)), uint256(2)));
        assertFalse(ok, "no bool");
        vm.stopPrank();
    }

    function test_takes_ether_from_anyone() public {
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        (bool ok,) = address(executor).call{value: 1 ether}("");
        assertTrue(ok);
        assertEq(address(executor).balance, 1 ether);
    }

    function testFuzz_strangers_calls_change_nothing(bytes calldata call) public {
        vm.assume(call.length != 0);
        weth.transfer(address(executor), 5 ether);
        (bool ok, bytes memory answer) = send(stranger, call);
        if (ok) assertGe(answer.length, 32, "more than a view answered");
        assertEq(weth.balanceOf(address(executor)), 5 ether + 1);
        assertEq(executor.owner(), owner);
        assertEq(executor.pendingOwner(), address(0));
        assertFalse(executor.isOperator(stranger));
    }

    // Routes that are none.

    function bad(bytes memory route) internal {
        fails(route, abi.encodeWithSelector(IFlashExecutor.BadRoute.selector));
    }

    function test_bad_routes() public {
        bad(RouteLib.head(0, ANY_BLOCK, 0, list(address(weth)), none())); // no base asset
        bad(RouteLib.head(4, ANY_BLOCK, 0, list(address(weth)), none()));
        bad(RouteLib.head(1, ANY_BLOCK, 0, none(), list(address(weth)))); // no token to be the base asset
        bad(bytes.concat(wethHead(0, none()), hex"14")); // ends within a step
        bad(bytes.concat(wethHead(0, none()), RouteLib.deadline(ANY_BLOCK), hex"12ffffff"));
        run(wethHead(0, none()));
        run(head(0, list(address(weth)), none()));
    }

    function test_unknown_steps() public {
        uint8[5] memory steps = [0, 0x16, 0x17, 0x7f, 0xff];
        for (uint256 i = 0; i < 5; ++i) {
            fails(
                bytes.concat(wethHead(0, none()), bytes1(steps[i])),
                abi.encodeWithSelector(IFlashExecutor.UnknownStep.selector, uint256(steps[i] & 0x7f))
            );
        }
    }

    function test_tokens_leave_only_when_listed() public {
        weth.transfer(address(executor), 1 ether);
        bytes memory error = abi.encodeWithSelector(IFlashExecutor.NotListed.selector, uint256(1));
        address[] memory one = list(address(x));
        fails(bytes.concat(head(0, one, one), RouteLib.transfer(1, 0xff, 0)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.v2Paid(1, 0, 0xff, true, 0, 0)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.v4Pay(1, 0)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.v4Loan(1, 0)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.balancer(0, 1, 0, 0xff, 1)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.aaveLoan(1, 1, 1)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.erc3156Loan(1, 0, 1, 1)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.balancerLoan(1, 1)), error);
        error = abi.encodeWithSelector(IFlashExecutor.NotListed.selector, uint256(RouteLib.WETH));
        fails(bytes.concat(head(0, one, one), RouteLib.transfer(RouteLib.WETH, 0xff, 0)), error);
        fails(bytes.concat(head(0, one, one), RouteLib.unwrap(RouteLib.WETH, 0)), error);
        error = abi.encodeWithSelector(IFlashExecutor.NotListed.selector, uint256(0));
        fails(bytes.concat(head(0, one, one), RouteLib.unwrap(0, 0)), error); // listed, and not WETH
        fails(
            bytes.concat(head(0, one, one), RouteLib.transfer(RouteLib.SELF, 0xff, 0)),
            abi.encodeWithSelector(IFlashExecutor.NotListed.selector, uint256(RouteLib.SELF))
        );
    }

    function test_memory_for_calls_is_not_what_solc_uses() public view {
        // Calls are written from 0x80 on. solc would move its pointer there up if it kept variables in memory.
        assertEq(bytes5(address(executor).code), hex"6080604052");
    }
}
