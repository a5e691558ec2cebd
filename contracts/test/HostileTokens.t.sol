// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HostileWorld} from "./support/HostileWorld.sol";
import {RouteLib} from "./support/RouteLib.sol";
import {OddToken, Lender, Liar} from "./support/Hostile.sol";
import "./support/Interfaces.sol";

/// @title Hostile tokens, and the allowances that they keep
contract HostileTokensTest is HostileWorld {
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
}
